// jobs/outside_reader.cc
#include "jobs/outside_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "base/files.h"
#include "base/parse_json.h"
#include "base/read_values.h"
#include "export/gguf_writer.h"
#include "export/hf_writer.h"
#include "export/modelling_code.h"
#include "jobs/child.h"
#include "run/runtime.h"
#include "run/scratch_folder.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

// The script that runs a reader.
constexpr std::string_view kScript =
#include "jobs/check_reader.py.inc"
    ;

const std::vector<OutsideReader>& readers() {
  static const std::vector<OutsideReader> rows = {
      {.name = "transformers",
       .module = "transformers",
       .reads = {CheckedFormat::kFolder},
       .tolerance_float32 = 1e-4,
       .tolerance_bfloat16 = 2e-2,
       .sees = true},
      {.name = "peft",
       .module = "peft",
       .reads = {CheckedFormat::kAdapter},
       .tolerance_float32 = 1e-4,
       .tolerance_bfloat16 = 2e-2,
       .sees = true},
      {.name = "llama.cpp",
       .module = "xllamacpp",
       .reads = {CheckedFormat::kGguf},
       .tolerance_float32 = 1e-3,
       .tolerance_bfloat16 = 5e-2,
       .by_gguf = true},
      {.name = "vllm",
       .module = "vllm",
       .reads = {CheckedFormat::kFolder, CheckedFormat::kAdapter},
       .tolerance_float32 = 1e-3,
       .tolerance_bfloat16 = 5e-2,
       .only_by_name = true}};
  return rows;
}

// Only modelling code written by this program is run.
std::optional<ModellingCode> code_of(const Model& model) {
  return code_beside(model.checkpoint().config(), *model.config().family);
}

enum class Code { kNone, kOurs, kForeign };
Code code_in(const CheckJob& job, const Model& model) {
  if (!model.checkpoint().config().contains("auto_map")) return Code::kNone;
  const auto ours = code_of(model);
  if (!ours) return Code::kForeign;
  const fs::path file = job.model / ours->file;
  for (const auto& item : fs::directory_iterator(job.model)) {
    if (item.path().extension() == ".py" && item.path() != file) return Code::kForeign;
  }
  return fs::exists(file) && read_file(file) == ours->text ? Code::kOurs : Code::kForeign;
}

Json row_of(const OutsideReader& reader, const std::string& status, const std::string& detail) {
  return {{"reader", reader.name},   {"version", nullptr},
          {"status", status},        {"logits_difference", nullptr},
          {"greedy_equal", nullptr}, {"tokens_per_second", nullptr},
          {"detail", detail}};
}

// llama.cpp's server needs a .gguf file with a tokenizer; without one it exits.
std::string why_not(const OutsideReader& reader, CheckedFormat format, Code code,
                    const OurAnswer& ours) {
  const bool reads = std::ranges::find(reader.reads, format) != reader.reads.end();
  if (!reads && !reader.by_gguf) return "does not read " + format_name(format);
  if (!reader.by_gguf && code == Code::kForeign) {
    return "the folder has modelling code that was not written by mop";
  }
  if (ours.picture_tokens > 0 && !reader.sees) return "images are not supported with it";
  return reader.by_gguf && !ours.tokenizer ? "it needs a tokenizer, but the model has none" : "";
}

// Returns the last non-empty line: of a Python traceback, the exception.
std::string last_line(const std::string& text) {
  const size_t end = text.find_last_not_of(" \n\r\t");
  if (end == text.npos) return "";
  const size_t begin = text.find_last_of('\n', end);
  return text.substr(begin == text.npos ? 0 : begin + 1,
                     end - (begin == text.npos ? -1 : static_cast<int64_t>(begin)));
}

// Compares versions numerically: 4.9 is earlier than 4.48.
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

void add(const std::string& detail, Json& row) {
  if (detail.empty()) return;
  const std::string before = row["detail"];
  row["detail"] = before.empty() ? detail : before + "; " + detail;
}

// Explains results that are due to an old version of the reader.
void note_version(const Model& model, bool with_code, Json& row) {
  const std::string_view earliest = earliest_transformers(model.config());
  if (!row["version"].is_string() || !is_earlier(row["version"].get<std::string>(), earliest)) {
    return;
  }
  if (row["status"] == "loads") {
    if (with_code) add("only with trust_remote_code=True", row);
    return;
  }
  const std::string detail = row["detail"];
  row["detail"] = fmt::format("this model needs transformers {} or later; {}", earliest, detail);
}

// llama.cpp rounds the activations to the matrix's type before a product; this program does not.
double rounding_of(const Model& model) {
  const GgufFile* file = model.checkpoint().gguf();
  double rounding = 0;
  if (file == nullptr) return rounding;
  for (const auto& [name, tensor] : file->tensors()) {
    const GgmlType type = tensor.type;
    rounding = std::max(rounding, ggml_blocks(type)         ? 8e-2
                                  : type == GgmlType::kBf16 ? 6e-2
                                  : type == GgmlType::kF16  ? 3e-2
                                                            : 0);
  }
  return rounding;
}

// Settings that readers may interpret differently without an error; used to explain a difference.
Json facts_of(const ModelConfig& config, const std::string& dtype) {
  return {{"rope_type", config.rope.type},
          {"rope_theta", config.rope.theta},
          {"rope factor", config.rope.factor},
          {"rms_norm_eps", config.norm_eps},
          {"sliding_window", config.sliding_window ? Json(*config.sliding_window) : Json()},
          {"head tied to the embedding", config.tied_embedding},
          {"dtype", dtype}};
}

Json row_from(const CheckJob& job, const OutsideReader& reader, const ChildResult& ran,
              const OurAnswer& ours, double rounding) {
  if (!ran.started) return row_of(reader, "not installed", "Python not found");
  if (ran.timed_out)
    return row_of(reader, "fails", fmt::format("timeout after {} s", job.timeout_seconds));
  const Json said = try_parse_json(last_line(ran.out)).value_or(Json());
  if (ran.exit != 0 || !said.is_object()) {
    return row_of(reader, "fails", fmt::format("exit code {}: {}", ran.exit, last_line(ran.err)));
  }
  if (said.contains("missing")) return row_of(reader, "not installed", word_of(said, "missing"));
  Json row = row_of(reader, "loads", "");
  row["version"] = part_of(said, "version");
  if (said.contains("error")) {
    row["status"] = "fails";
    row["detail"] = word_of(said, "error");
    return row;
  }
  row["logits_difference"] = part_of(said, "difference");
  row["greedy_equal"] = part_of(said, "greedy") == Json(ours.greedy);
  row["tokens_per_second"] = part_of(said, "tokens_per_second");
  const bool exact = job.dtype == "float32" && rounding == 0;
  const double tolerance =
      std::max(rounding, exact ? reader.tolerance_float32 : reader.tolerance_bfloat16);
  // NaN (null) also counts as a difference.
  const bool close = number_of(said, "difference") <= tolerance;
  if (!close || (exact && !row["greedy_equal"].get<bool>())) {
    row["status"] = "differs";
    row["detail"] = fmt::format("expected logits within {:g}{}", tolerance,
                                exact ? " and the same greedy text" : "");
    for (const Json& cause : part_of(said, "causes")) {
      if (cause.is_string()) add(cause.get<std::string>(), row);
    }
  }
  add(word_of(said, "tokenizer"), row);
  if (ours.picture_tokens > 0)
    add(fmt::format("the prompt has an image of {} tokens", ours.picture_tokens), row);
  return row;
}

std::string python_of(const CheckJob& job) {
  if (!job.python.empty()) return job.python;
  const char* set = std::getenv("MOP_PYTHON");
  return set != nullptr && *set != '\0' ? set : "python3";
}

// Returns a row if the reader is not installed in this Python.
std::optional<Json> missing(const CheckJob& job, const OutsideReader& reader) {
  const std::string look =
      fmt::format("import importlib.util as u; print(bool(u.find_spec('{}')))", reader.module);
  const ChildResult ran = run_child({python_of(job), "-c", look}, {}, job.timeout_seconds);
  if (!ran.started) return row_of(reader, "not installed", "Python not found");
  if (last_line(ran.out) != "False") return std::nullopt;
  return row_of(reader, "not installed", fmt::format("No module named '{}'", reader.module));
}

Json ask(const CheckJob& job, const OutsideReader& reader, const Model& model, Code code,
         const OurAnswer& ours, const fs::path& file) {
  const ScratchFolder scratch;
  write_file(scratch.path() / "check_reader.py", kScript);
  const auto write_floats = [&](const char* name, const at::Tensor& values) {
    const fs::path floats = scratch.path() / name;
    write_file(floats, {static_cast<const char*>(values.const_data_ptr()), values.nbytes()});
    return floats.string();
  };
  const Json picture = ours.picture_tokens == 0
                           ? Json()
                           : Json({{"file", write_floats("pixels", ours.pixels_13HW)},
                                   {"shape", ours.pixels_13HW.sizes().vec()}});
  const Json task = {{"reader", reader.module},
                     {"model", fs::absolute(file).string()},
                     {"adapter", job.adapter.empty() ? "" : fs::absolute(job.adapter).string()},
                     {"code", code == Code::kOurs},
                     {"code_before", code == Code::kOurs ? code_of(model)->before : ""},
                     {"dtype", job.dtype},
                     {"ids", ours.ids},
                     {"vocab", model.config().vocab},
                     {"eos", model.config().eos},
                     {"new_tokens", ours.greedy.size()},
                     {"facts", facts_of(model.config(), job.dtype)},
                     {"prompt", ours.prompt},
                     {"text_ids", ours.text_ids},
                     {"logits", write_floats("logits", ours.logits_NV)},
                     {"pixels", picture}};
  write_file(scratch.path() / "job.json", to_text(task));
  const ChildResult ran =
      run_child({python_of(job), (scratch.path() / "check_reader.py").string(),
                 (scratch.path() / "job.json").string()},
                {"HF_HUB_OFFLINE=1", "TRANSFORMERS_VERBOSITY=error", "PYTHONDONTWRITEBYTECODE=1",
                 "HF_MODULES_CACHE=" + (scratch.path() / "modules").string(),
                 fmt::format("OMP_NUM_THREADS={}", threads_in_use())},
                job.timeout_seconds);
  Json row = row_from(job, reader, ran, ours, rounding_of(model));
  if (reader.name == "transformers") note_version(model, code == Code::kOurs, row);
  return row;
}

// Runs the reader on the model, with its adapter merged, as a temporary .gguf file.
Json ask_by_gguf(const CheckJob& job, const OutsideReader& reader, const Model& model,
                 const OurAnswer& ours, Progress& progress) {
  if (auto row = missing(job, reader)) return *row;
  const ScratchFolder scratch;
  const fs::path file = scratch.path() / "model.gguf";
  OurAnswer within = ours;
  try {
    const bool exact = job.dtype == "float32";
    write_gguf(model, file, exact ? std::optional(GgmlType::kF32) : std::nullopt, progress);
    // For a model with a window the file is correct only within it.
    const int64_t room = Model::open(file).config().context - static_cast<int64_t>(ours.ids.size());
    if (room < 1) return row_of(reader, "not run", "the prompt is longer than its context");
    within.greedy.resize(std::min(within.greedy.size(), static_cast<size_t>(room)));
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kBadInput && e.kind() != ErrorKind::kIo) throw;
    const std::string text = e.what();
    return row_of(reader, "not run",
                  "cannot write a .gguf file: " + text.substr(0, text.find('\n')));
  }
  return ask(job, reader, model, Code::kNone, within, file);
}

}  // namespace

std::string format_name(CheckedFormat format) {
  return format == CheckedFormat::kFolder ? "hf" : format == CheckedFormat::kGguf ? "gguf" : "peft";
}

std::span<const OutsideReader> all_outside_readers() { return readers(); }

const OutsideReader& find_outside_reader(const std::string& name) {
  for (const OutsideReader& row : readers()) {
    if (row.name == name) return row;
  }
  throw usage_error("unknown reader '{}'", name)
      .hint(fmt::format("known: {}", fmt::join(outside_readers(), ", ")));
}

std::vector<std::string> outside_readers() {
  std::vector<std::string> names;
  for (const OutsideReader& row : readers()) names.emplace_back(row.name);
  return names;
}

Json ask_outside_reader(const OutsideReader& reader, const CheckJob& job, CheckedFormat format,
                        const Model& model, const OurAnswer& ours, Progress& progress) {
  const Code code = format == CheckedFormat::kGguf ? Code::kNone : code_in(job, model);
  const std::string reason = why_not(reader, format, code, ours);
  if (!reason.empty()) return row_of(reader, "not run", reason);
  progress.note(fmt::format("running {}", reader.name));
  return reader.by_gguf && format != CheckedFormat::kGguf
             ? ask_by_gguf(job, reader, model, ours, progress)
             : ask(job, reader, model, code, ours, job.model);
}

}  // namespace mop
