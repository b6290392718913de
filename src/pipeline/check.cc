// pipeline/check.cc
#include "pipeline/check.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/build_info.h"
#include "base/error.h"
#include "base/files.h"
#include "export/gguf_writer.h"
#include "export/hf_per_layer.h"
#include "export/hf_writer.h"
#include "export/peft.h"
#include "model/forward.h"
#include "model/generate.h"
#include "pipeline/child.h"
#include "pipeline/run_log.h"
#include "pipeline/runtime.h"
#include "pipeline/scratch_folder.h"
#include "text/gguf_vocabulary.h"
#include "text/tokenizer.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

// The script that every outside reader runs in.
constexpr std::string_view kScript =
#include "pipeline/check_reader.py.inc"
    ;

enum class Format { kFolder, kGguf, kAdapter };

struct OutsideReader {
  std::string_view name;    // also the Python module
  std::string_view module;  // as imported
  std::vector<Format> reads;
  double tolerance_float32, tolerance_bfloat16;  // of the logits
  bool by_gguf = false;  // of a folder it is given a .gguf file, when it is asked for by name
};

const std::vector<OutsideReader>& readers() {
  static const std::vector<OutsideReader> rows = {
      {"transformers", "transformers", {Format::kFolder}, 1e-4, 2e-2},
      {"peft", "peft", {Format::kAdapter}, 1e-4, 2e-2},
      {"llama.cpp", "xllamacpp", {Format::kGguf}, 1e-3, 5e-2, true}};
  return rows;
}

const OutsideReader& find_reader(const std::string& name) {
  for (const OutsideReader& row : readers()) {
    if (row.name == name) return row;
  }
  throw usage_error("unknown reader '{}'", name)
      .hint(fmt::format("known: {}", fmt::join(outside_readers(), ", ")));
}

Format format_of(const CheckJob& job) {
  if (!job.adapter.empty()) return Format::kAdapter;
  return fs::is_directory(job.model) ? Format::kFolder : Format::kGguf;
}

std::string format_name(Format format) {
  return format == Format::kFolder ? "hf" : format == Format::kGguf ? "gguf" : "peft";
}

// What our own reader computes, which the others are compared with.
struct Ours {
  bool tokenizer = false;
  std::vector<int64_t> ids, greedy;
  at::Tensor logits_NV;  // float32
  std::string text;
  double tokens_per_second = 0;
};

void check_finite(const Checkpoint& checkpoint, Progress& progress) {
  progress.begin("reading every tensor", checkpoint.bytes());
  int64_t done = 0;
  for (const std::string& name : checkpoint.names()) {
    check_stop();
    const at::Tensor value = checkpoint.tensor(name);
    if (value.is_floating_point() && !at::isfinite(value).all().item<bool>()) {
      throw bad_input("tensor {} holds values that are not finite", name)
          .where("model", checkpoint.folder().string());
    }
    done += static_cast<int64_t>(value.nbytes());
    progress.advance(done);
  }
  progress.end();
}

// A folder may have no tokenizer: any ids do.
std::vector<int64_t> prompt_ids(const CheckJob& job, const Tokenizer* tokenizer, int64_t vocab) {
  if (tokenizer != nullptr) {
    std::vector<int64_t> ids = tokenizer->encode(job.prompt, Special::kDefault);
    if (!ids.empty()) return ids;
  }
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < 12; ++i) ids.push_back((37 * i + 5) % vocab);
  return ids;
}

std::shared_ptr<const Tokenizer> tokenizer_if_any(const Checkpoint& checkpoint) {
  const fs::path& model = checkpoint.folder();
  if (checkpoint.gguf() != nullptr) {
    const bool none = tokenizer_files_of(vocabulary_of_gguf(*checkpoint.gguf())).empty();
    return none ? nullptr : open_tokenizer(model);
  }
  const auto there = [&](const std::string& name) { return fs::exists(model / name); };
  return std::ranges::any_of(tokenizer_files(), there) ? open_tokenizer(model) : nullptr;
}

Ours compute_ours(const CheckJob& job, const Model& model) {
  const at::NoGradGuard no_gradient;
  const ModelConfig& config = model.config();
  const auto tokenizer = tokenizer_if_any(model.checkpoint());
  Ours ours;
  ours.tokenizer = tokenizer != nullptr;
  ours.ids = prompt_ids(job, tokenizer.get(), config.vocab);
  WeightLoader weights(model, open_compute("cpu", job.dtype), WeightLoader::Keep::kAll);
  const auto length = static_cast<int64_t>(ours.ids.size());
  const at::Tensor ids_N = at::tensor(ours.ids, at::kLong);
  const at::Tensor hidden_ND = run_layers(weights, ids_N, {{length}, {}});
  ours.logits_NV = logits(weights.globals(), config, hidden_ND).to(at::kFloat).contiguous();
  if (!at::isfinite(ours.logits_NV).all().item<bool>()) {
    throw bad_input("the logits are not finite").where("model", job.model.string());
  }
  GenerateOptions options;
  options.max_new_tokens = std::min(job.new_tokens, config.context - length);
  const Stopwatch watch;
  ours.greedy = generate(weights, ours.ids, options);
  ours.tokens_per_second = static_cast<double>(ours.greedy.size()) / watch.seconds();
  if (tokenizer) ours.text = tokenizer->decode(ours.greedy);
  return ours;
}

// Modelling code runs on this machine: only what we wrote ourselves does.
enum class Code { kNone, kOurs, kForeign };
Code code_in(const CheckJob& job, const Model& model) {
  if (!model.checkpoint().config().contains("auto_map")) return Code::kNone;
  const Family& family = *model.config().family;
  const fs::path file = job.model / code_file(family);
  for (const auto& item : fs::directory_iterator(job.model)) {
    if (item.path().extension() == ".py" && item.path() != file) return Code::kForeign;
  }
  return fs::exists(file) && read_file(file) == code_text(family) ? Code::kOurs : Code::kForeign;
}

Json row_of(const OutsideReader& reader, const std::string& status, const std::string& detail) {
  return {{"reader", reader.name},   {"version", nullptr},
          {"status", status},        {"logits_difference", nullptr},
          {"greedy_equal", nullptr}, {"tokens_per_second", nullptr},
          {"detail", detail}};
}

// A reader of .gguf files alone needs one that has a tokenizer: its server ends the process
// without.
std::string why_not(const OutsideReader& reader, Format format, Code code, const Ours& ours) {
  const bool reads = std::ranges::find(reader.reads, format) != reader.reads.end();
  if (!reads && !reader.by_gguf) return "does not read " + format_name(format);
  if (!reader.by_gguf && code == Code::kForeign) {
    return "the folder holds modelling code that mop did not write";
  }
  return reader.by_gguf && !ours.tokenizer ? "it needs a tokenizer, the model has none" : "";
}

// The last line that says something: of a Python traceback, the exception.
std::string last_line(const std::string& text) {
  const size_t end = text.find_last_not_of(" \n\r\t");
  if (end == text.npos) return "";
  const size_t begin = text.find_last_of('\n', end);
  return text.substr(begin == text.npos ? 0 : begin + 1,
                     end - (begin == text.npos ? -1 : static_cast<int64_t>(begin)));
}

// 4.48 is earlier than 4.51, 4.9 earlier than both.
bool is_earlier(std::string_view version, std::string_view than) {
  const auto numbers = [](std::string_view text) {
    std::pair<int, int> both{0, 0};
    const char* end = text.data() + text.size();
    const char* at = std::from_chars(text.data(), end, both.first).ptr;
    if (at != end) std::from_chars(at + 1, end, both.second);
    return both;
  };
  return numbers(version) < numbers(than);
}

// Why a row may be bad that has nothing to do with the files.
void note_version(const Model& model, Json& row) {
  const std::string_view earliest = earliest_transformers(model.config());
  if (row["status"] == "loads" || !row["version"].is_string()) return;
  const std::string version = row["version"];
  if (!is_earlier(version, earliest)) return;
  const std::string detail = row["detail"];
  row["detail"] = fmt::format("this model needs transformers {} or later; {}", earliest, detail);
}

// llama.cpp rounds what is multiplied with a matrix to the matrix's type, we do not.
double rounding_of(const Model& model) {
  const GgufFile* file = model.checkpoint().gguf();
  double rounding = 0;
  if (file == nullptr) return rounding;
  for (const auto& [name, tensor] : file->tensors()) {
    const GgmlType type = tensor.type;
    rounding = std::max(rounding, type == GgmlType::kQ8_0   ? 8e-2
                                  : type == GgmlType::kBf16 ? 6e-2
                                  : type == GgmlType::kF16  ? 3e-2
                                                            : 0);
  }
  return rounding;
}

Json row_from(const CheckJob& job, const OutsideReader& reader, const ChildResult& ran,
              const Ours& ours, double rounding) {
  if (!ran.started) return row_of(reader, "not installed", "there is no such Python");
  if (ran.timed_out)
    return row_of(reader, "fails", fmt::format("not done after {} s", job.timeout_seconds));
  const Json said = Json::parse(last_line(ran.out), nullptr, false);
  if (ran.exit != 0 || !said.is_object()) {
    return row_of(reader, "fails", fmt::format("ended with {}: {}", ran.exit, last_line(ran.err)));
  }
  if (said.contains("missing")) return row_of(reader, "not installed", said["missing"]);
  Json row = row_of(reader, "loads", "");
  row["version"] = said["version"];
  if (said.contains("error")) {
    row["status"] = "fails";
    row["detail"] = said["error"];
    return row;
  }
  row["logits_difference"] = said["difference"];
  row["greedy_equal"] = said["greedy"] == Json(ours.greedy);
  row["tokens_per_second"] = said["tokens_per_second"];
  const bool exact = job.dtype == "float32" && rounding == 0;
  const double tolerance =
      std::max(rounding, exact ? reader.tolerance_float32 : reader.tolerance_bfloat16);
  // Not a number (null) differs too.
  const bool close =
      said["difference"].is_number() && said["difference"].get<double>() <= tolerance;
  if (!close || (exact && !row["greedy_equal"].get<bool>())) {
    row["status"] = "differs";
    row["detail"] = fmt::format("expected logits within {:g}{}", tolerance,
                                exact ? " and the same greedy text" : "");
  }
  return row;
}

std::string python_of(const CheckJob& job) {
  if (!job.python.empty()) return job.python;
  const char* set = std::getenv("MOP_PYTHON");
  return set != nullptr && *set != '\0' ? set : "python3";
}

// Whether the Python has the reader; a row that says so otherwise.
std::optional<Json> missing(const CheckJob& job, const OutsideReader& reader) {
  const std::string look =
      fmt::format("import importlib.util as u; print(bool(u.find_spec('{}')))", reader.module);
  const ChildResult ran = run_child({python_of(job), "-c", look}, {}, job.timeout_seconds);
  if (!ran.started) return row_of(reader, "not installed", "there is no such Python");
  if (last_line(ran.out) != "False") return std::nullopt;
  return row_of(reader, "not installed", fmt::format("No module named '{}'", reader.module));
}

Json ask(const CheckJob& job, const OutsideReader& reader, const Model& model, Code code,
         const Ours& ours, const fs::path& file) {
  const ScratchFolder scratch;
  const at::Tensor& logits = ours.logits_NV;
  write_file(scratch.path() / "check_reader.py", kScript);
  write_file(scratch.path() / "logits",
             {static_cast<const char*>(logits.const_data_ptr()), logits.nbytes()});
  const Json task = {{"reader", reader.module},
                     {"model", fs::absolute(file).string()},
                     {"adapter", job.adapter.empty() ? "" : fs::absolute(job.adapter).string()},
                     {"code", code == Code::kOurs},
                     {"dtype", job.dtype},
                     {"ids", ours.ids},
                     {"vocab", model.config().vocab},
                     {"eos", model.config().eos},
                     {"new_tokens", ours.greedy.size()},
                     {"logits", (scratch.path() / "logits").string()}};
  write_file(scratch.path() / "job.json", to_text(task));
  const ChildResult ran =
      run_child({python_of(job), (scratch.path() / "check_reader.py").string(),
                 (scratch.path() / "job.json").string()},
                {"HF_HUB_OFFLINE=1", "TRANSFORMERS_VERBOSITY=error", "PYTHONDONTWRITEBYTECODE=1",
                 "HF_MODULES_CACHE=" + (scratch.path() / "modules").string(),
                 fmt::format("OMP_NUM_THREADS={}", threads_in_use())},
                job.timeout_seconds);
  Json row = row_from(job, reader, ran, ours, rounding_of(model));
  if (reader.name == "transformers") note_version(model, row);
  return row;
}

// The model (and its adapter, merged) as a .gguf file that lives as long as the reader.
Json ask_by_gguf(const CheckJob& job, const OutsideReader& reader, const Model& model,
                 const Ours& ours, Progress& progress) {
  if (auto row = missing(job, reader)) return *row;
  const ScratchFolder scratch;
  const fs::path file = scratch.path() / "model.gguf";
  Ours within = ours;
  try {
    const bool exact = job.dtype == "float32";
    write_gguf(model, file, exact ? std::optional(GgmlType::kF32) : std::nullopt, progress);
    // Of a model with a window the file is right only inside it.
    const int64_t room = Model::open(file).config().context - static_cast<int64_t>(ours.ids.size());
    if (room < 1) return row_of(reader, "not run", "the prompt is longer than its context");
    within.greedy.resize(std::min(within.greedy.size(), static_cast<size_t>(room)));
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kBadInput && e.kind() != ErrorKind::kIo) throw;
    const std::string text = e.what();
    return row_of(reader, "not run", "no .gguf can be made: " + text.substr(0, text.find('\n')));
  }
  return ask(job, reader, model, Code::kNone, within, file);
}

std::vector<const OutsideReader*> readers_to_ask(const CheckJob& job, Format format) {
  std::vector<const OutsideReader*> rows;
  for (const std::string& name : job.with) rows.push_back(&find_reader(name));
  if (!job.with.empty()) return rows;
  for (const OutsideReader& row : readers()) {
    if (std::ranges::find(row.reads, format) != row.reads.end()) rows.push_back(&row);
  }
  return rows;
}

// An adapter folder alone stands for itself on the model that it names.
CheckJob with_base(CheckJob job) {
  if (!job.adapter.empty() || !fs::exists(job.model / "adapter_config.json") ||
      fs::exists(job.model / "config.json")) {
    return job;
  }
  job.adapter = job.model;
  job.model = adapter_base(job.adapter);
  if (fs::exists(job.model)) return job;
  throw usage_error("the adapter's own model is not here: '{}'", job.model.string())
      .where("adapter", job.adapter.string())
      .hint("mop check MODEL --adapter DIR");
}

}  // namespace

std::vector<std::string> outside_readers() {
  std::vector<std::string> names;
  for (const OutsideReader& row : readers()) names.emplace_back(row.name);
  return names;
}

Json check(const CheckJob& given, Progress& progress) {
  const CheckJob job = with_base(given);
  const Format format = format_of(job);
  const auto asked = readers_to_ask(job, format);
  Model model = Model::open(job.model);
  check_finite(model.checkpoint(), progress);
  if (!job.adapter.empty())
    model = with_adapter(model, job.adapter, dtype_from_name(job.dtype), progress);
  const Ours ours = compute_ours(job, model);
  Json rows = Json::array();
  rows.push_back({{"reader", "mop"},
                  {"version", mop_version()},
                  {"status", "loads"},
                  {"logits_difference", nullptr},
                  {"greedy_equal", nullptr},
                  {"tokens_per_second", ours.tokens_per_second},
                  {"detail", "every tensor read, all finite"}});
  const Code code = format == Format::kGguf ? Code::kNone : code_in(job, model);
  bool ok = true;
  for (const OutsideReader* reader : asked) {
    check_stop();
    progress.note(fmt::format("asking {}", reader->name));
    const std::string reason = why_not(*reader, format, code, ours);
    rows.push_back(!reason.empty() ? row_of(*reader, "not run", reason)
                   : reader->by_gguf && format != Format::kGguf
                       ? ask_by_gguf(job, *reader, model, ours, progress)
                       : ask(job, *reader, model, code, ours, job.model));
    ok = ok && rows.back()["status"] != "fails" && rows.back()["status"] != "differs";
  }
  check_mappings();
  return {{"model", job.model.string()},
          {"format", format_name(format)},
          {"dtype", job.dtype},
          {"prompt_tokens", ours.ids.size()},
          {"new_tokens", ours.greedy.size()},
          {"text", ours.text},
          {"ok", ok},
          {"readers", rows}};
}

}  // namespace mop
