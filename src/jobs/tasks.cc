// jobs/tasks.cc
#include "jobs/tasks.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/stopwatch.h"
#include "base/utf8.h"
#include "checkpoint/gguf_checkpoint.h"
#include "checkpoint/safetensors.h"
#include "criteria/criterion.h"
#include "jobs/chat_prompt.h"
#include "jobs/prune_costs.h"
#include "jobs/step_scores.h"
#include "model/generate.h"
#include "model/generation_config.h"
#include "recipe/recipe.h"
#include "recipe/width_multiple.h"
#include "run/describe.h"
#include "run/device_needs.h"
#include "run/manifest.h"
#include "run/open_model.h"
#include "run/pictures.h"
#include "run/run_log.h"
#include "run/runtime.h"
#include "tensor/mapped_file.h"
#include "text/chat_samples.h"
#include "text/text_file.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

// Length of `text` up to its last complete UTF-8 character; a token may end inside a character.
size_t whole_characters(std::string_view text) {
  size_t start = text.size();
  while (start > 0 && continues_letter(text[start - 1])) --start;
  if (start == 0) return text.size();
  const auto lead = static_cast<unsigned char>(text[start - 1]);
  const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return start - 1 + length <= text.size() ? text.size() : start - 1;
}

// The generated text: the decoded sequence without the decoded prompt, so that spaces between
// tokens are kept.
class Continuation {
 public:
  Continuation(const Tokenizer& tokenizer, std::vector<int64_t> prompt,
               std::function<void(std::string_view)> on_text)
      : tokenizer_(tokenizer),
        ids_(std::move(prompt)),
        prompt_(tokenizer.decode(ids_)),
        on_text_(std::move(on_text)) {}

  void add(int64_t id) {
    ids_.push_back(id);
    const std::string text = this->text();
    const size_t whole = whole_characters(text);
    if (on_text_ && whole > told_) on_text_(std::string_view(text).substr(told_, whole - told_));
    told_ = std::max(told_, whole);
  }

  std::string text() const {
    const std::string all = tokenizer_.decode(ids_);
    return all.starts_with(prompt_) ? all.substr(prompt_.size()) : all;
  }

 private:
  const Tokenizer& tokenizer_;
  std::vector<int64_t> ids_;
  std::string prompt_;
  std::function<void(std::string_view)> on_text_;
  size_t told_ = 0;
};

// In addition to the usual notices, reports generation settings of the files that are not applied.
void tell_generation_notes(const Model& model, Progress& progress) {
  tell_notes(model, progress);
  const std::string note = generation_note(model.checkpoint().folder());
  if (!note.empty()) progress.note("note: " + note);
}

}  // namespace

Scores score_units(const ScoreJob& job, Progress& progress) {
  for (const std::string& name : job.criteria) find_criterion(name);
  Model model = open_dense(job.model, progress);
  const auto tokenizer = open_tokenizer(job.model);
  TokenSamples samples = tokenize_samples(read_samples(job.calibration, job.model), *tokenizer,
                                          job.samples, model.config().context);
  const Compute compute = open_compute(job.compute.device, job.compute.dtype);
  Pictures pictures(model, job.images);
  pictures.place_in(samples, job.calibration);
  model = pictures.shown_to(model, compute, fs::temp_directory_path(), progress);
  std::map<std::string, Options> settings;
  for (const std::string& name : job.criteria) {
    const Criterion& criterion = find_criterion(name);
    if (!criterion.draws) continue;
    settings.emplace(name, Options(name, {{"seed", job.samples.seed}}, criterion.options));
  }
  if (job.compute.ranks->size() > 1) {
    Json manifest = job_manifest(model, tokenizer.get());
    manifest["calibration"] = fingerprint(samples);
    manifest["pictures"] = pictures.sha256();
    manifest["compute"] = compute_manifest(job.compute.device, compute.dtype);
    manifest["score"] = {{"criteria", job.criteria}, {"seed", job.samples.seed}};
    check_same_inputs(manifest, *job.compute.ranks, progress);
  }
  const MeasureSetup setup{samples, compute, job.criteria, settings, progress, *job.compute.ranks,
                           {}};
  StepMeasures kept;
  RunMeasure measure(setup, model, kept);
  Scores result;
  for (const std::string& name : job.criteria) {
    const auto& scores = measure.scores(name);
    for (size_t layer = 0; layer < scores.size(); ++layer) {
      result.tensors[fmt::format("{}.{}", name, layer)] = scores[layer];
    }
  }
  check_mappings();
  result.about = {{"criteria", job.criteria},         {"layers", model.num_layers()},
                  {"samples", samples.ids.size()},    {"tokens", samples.tokens()},
                  {"samples_sha256", samples.sha256}, {"dtype", dtype_name(compute.dtype)}};
  return result;
}

Json score(const ScoreJob& job, Progress& progress) {
  const Scores scores = score_units(job, progress);
  if (job.compute.ranks->rank() == 0)
    write_safetensors(job.out, scores.tensors, {{"format", "pt"}});
  Json about = {{"out", job.out.string()}};
  about.update(scores.about);
  return about;
}

Json generate_text(const GenerateJob& job, Progress& progress) {
  const Compute compute = open_compute(job.compute.device, job.compute.dtype);
  Model model = open_model(job.model, job.adapter, silent_progress(), compute.dtype);
  tell_generation_notes(model, progress);
  const auto tokenizer = open_tokenizer(job.model);
  const std::string text = job.chat ? chat_prompt(job) : job.prompt;
  const std::vector<int64_t> prompt = tokenizer->encode(
      text, job.chat ? read_chat_template(job.model)->specials_of(text) : Special::kDefault);
  Pictures pictures(model, {});
  const std::vector<int64_t> shown = pictures.placed(prompt, job.images);
  model = pictures.shown_to(model, compute, fs::temp_directory_path(), progress);
  const int64_t most = std::min(job.max_new_tokens, model.config().longest());
  const DeviceNeeds needs =
      decoding_device_needs(model.config(), compute.dtype, 1, std::ssize(shown) + most);
  if (const std::string streams = check_device_memory(needs, compute); !streams.empty()) {
    progress.note(streams);
  }
  WeightLoader weights(model, compute, WeightLoader::Keep::kAll);
  Continuation continuation(*tokenizer, prompt, job.on_text);
  GenerateOptions options;
  options.max_new_tokens = job.max_new_tokens;
  options.temperature = job.temperature;
  options.seed = job.seed;
  options.on_token = [&](int64_t id) {
    check_stop();
    continuation.add(id);
    return true;
  };
  const Stopwatch watch;
  const std::vector<int64_t> ids = generate(weights, shown, options);
  check_mappings();
  return {{"prompt", text},
          {"text", continuation.text()},
          {"prompt_tokens", shown.size()},
          {"new_tokens", ids.size()},
          {"ids", ids},
          {"seconds", watch.seconds()}};
}

std::vector<std::vector<int64_t>> tokenize(const TokenizeJob& job) {
  const auto tokenizer = open_tokenizer(job.tokenizer);
  const std::string text = read_text(job.text);
  std::vector<std::vector<int64_t>> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    lines.push_back(tokenizer->encode(line, job.special ? Special::kDefault : Special::kNone));
    begin = end + 1;
  }
  return lines;
}

Json plan_sizes(const fs::path& config, const Json& recipe_json) {
  const fs::path file = fs::is_directory(config) ? config / "config.json" : config;
  const Json raw = GgufFile::is_gguf(file) ? gguf_config(GgufFile::open(file)) : read_json(file);
  const ModelConfig dense = parse_config(raw, file.string());
  Recipe unresolved = recipe_from_json(recipe_json);
  if (!unresolved.target.counts_parameters())
    unresolved.target.stored = costs_by_config(raw, file.string());
  const Recipe recipe = resolve(std::move(unresolved), dense);
  auto accounting = known_accounting(recipe, dense);
  // The number of removed units is known, but not their distribution over layers.
  const bool spread_later =
      !accounting && std::ranges::all_of(recipe.branches, [](const std::string& name) {
        return find_branch(name).reads_curves;
      });
  if (spread_later) {
    check_reach(recipe, dense);
    accounting = estimated_accounting(recipe, dense);
  }
  if (!accounting && !recipe.target.in_parameters()) {
    throw usage_error("the sizes of a run that counts {} depend on measurements",
                      recipe.target.currency)
        .hint("`mop prune --dry-run` checks it; `mop plan` counts parameters and memory");
  }
  if (!accounting) {
    throw usage_error("the path of the selector '{}' depends on measurements", recipe.select)
        .hint("account a path (--select path:LGGL) or a random one (--select random --seed N)");
  }
  Json json = accounting_json(*accounting);
  const ModelConfig after = config_after(dense, *accounting);
  json["units"] = units_json(dense);
  json["device_memory"] = {{"dense", device_memory_json(dense)},
                           {"after", device_memory_json(after)}};
  json["widths"] = width_multiple_text(recipe, dense);
  json["warnings"] = reader_warnings(after, &dense);
  if (spread_later) {
    json["warnings"].push_back(
        "the distribution over layers depends on measurements: the shapes assume that "
        "all layers lose about the same, the totals hold to a pack of neurons");
  }
  for (const std::string& note : dense.notes) json["warnings"].push_back(note);
  return json;
}

}  // namespace mop
