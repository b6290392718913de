// run/read_run.cc
#include "run/read_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/parse_json.h"
#include "base/read_values.h"
#include "base/shell_word.h"
#include "model/composite.h"
#include "report/scale.h"
#include "run/describe.h"
#include "run/model_source.h"
#include "run/read_training.h"
#include "run/run_folder.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

Json read_if_there(const fs::path& file) { return fs::exists(file) ? read_json(file) : Json(); }

// Returns the folder of a run: its result, or the working folder, which may be given by the
// result's name.
fs::path place_of(const fs::path& folder) {
  if (holds_run(folder)) return folder;
  const fs::path named = folder.has_filename() ? folder : folder.parent_path();
  if (holds_run(working_folder(named))) return working_folder(named);
  if (named.filename() == "run" && holds_run(named.parent_path())) return named.parent_path();
  if (!fs::exists(folder)) {
    throw io_error("there is no such file or folder").where("run", folder.string());
  }
  throw bad_input("this is not the folder of a run: it has no run/manifest.json of mop")
      .where("folder", folder.string())
      .hint("give the folder that was --out of `mop prune`, `recover` or `train`");
}

/// Files of a run that are used more than once.
struct RunFiles {
  fs::path run;
  Json manifest, metrics, recipe;
  std::vector<PlanStep> steps;
  Json made_by;                    ///< of the plan; null = none
  int64_t dense_parameters = 0;    ///< of the plan's model; 0 = unknown
  std::vector<Json> step_metrics;  ///< of the steps of this run
};

fs::path metrics_file(const fs::path& run) { return run / "metrics.json"; }
fs::path step_metrics_file(const fs::path& run, int64_t number) {
  return metrics_file(step_folder(run, number));
}

std::vector<Json> metrics_of_steps(const fs::path& run) {
  std::vector<Json> all;
  for (int64_t number = 1;; ++number) {
    const fs::path file = step_metrics_file(run, number);
    if (!fs::exists(step_folder(run, number) / "plan.json") || !fs::exists(file)) return all;
    all.push_back(read_json(file));
  }
}

RunFiles read_files(const fs::path& run) {
  RunFiles files;
  files.run = run;
  files.manifest = read_json(run / "manifest.json");
  files.metrics = read_if_there(metrics_file(run));
  files.step_metrics = metrics_of_steps(run);
  files.recipe = part_of(files.manifest, "recipe");
  if (fs::exists(run / "plan.json")) {
    const Json plan = read_json(run / "plan.json");
    files.steps = plan_from_json(plan, (run / "plan.json").string()).steps;
    files.made_by = part_of(plan, "made_by");
    files.dense_parameters = whole_of(plan, "dense_parameters");
    return files;
  }
  for (int64_t number = 1; number <= std::ssize(files.step_metrics); ++number) {
    const fs::path plan = step_folder(run, number) / "plan.json";
    files.steps.push_back(step_from_json(read_json(plan), plan.string()));
  }
  return files;
}

// Only recipes of trainings have a top-level method.
bool is_training(const RunFiles& files) { return files.recipe.contains("method"); }

std::string verb_of(const RunFiles& files) {
  if (!is_training(files)) return "prune";
  const std::string verb = word_of(files.metrics, "verb");
  if (!verb.empty()) return verb;
  return fs::exists(files.run / "initial") ? "train" : "recover";
}

// Sizes after all steps: recorded with the run or its last step, or those of the result's config.
ModelUnits units_now(const RunFiles& files) {
  ModelUnits units;
  const fs::path config = files.run.parent_path() / "config.json";
  if (fs::exists(config)) {
    const ModelConfig now = parse_config(read_json(config), config.string());
    units = {now.layers, now.composite ? now.composite->tower.layers : units.tower, now.hidden};
  }
  const auto layers_of = [](const Json& json, const char* key, std::vector<LayerShape>& layers,
                            const fs::path& file) {
    const Json& list = part_of(json, key);
    if (list.is_array()) layers = layers_from_json(list, file.string());
  };
  if (!files.step_metrics.empty()) {
    const Json& last = files.step_metrics.back();
    const fs::path file = step_metrics_file(files.run, std::ssize(files.step_metrics));
    layers_of(last, "layers", units.layers, file);
    layers_of(last, "tower", units.tower, file);
    if (const int64_t hidden = whole_of(last, "hidden"); hidden > 0) units.hidden = hidden;
  }
  layers_of(part_of(files.metrics, "pruned"), "layers", units.layers, metrics_file(files.run));
  return units;
}

ModelUnits units_before(const RunFiles& files) {
  ModelUnits dense = dense_units(units_now(files), files.steps);
  const Json& recorded = part_of(part_of(files.metrics, "dense"), "layers");
  if (recorded.is_array()) {
    dense.layers = layers_from_json(recorded, metrics_file(files.run).string());
  }
  return dense;
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// A short description of the method: branches, non-default criteria, the selector.
std::string method_of(const RunFiles& files) {
  const Json& recipe = files.recipe;
  if (is_training(files)) return word_of(recipe, "method");
  if (!word_of(recipe, "plan").empty()) return "a plan, replayed";
  std::vector<std::string> names;
  for (const Json& branch : part_of(recipe, "branches")) {
    std::string name = text_of(branch);
    const Json& settings = part_of(recipe, name.c_str());
    std::vector<std::string> details;
    for (const char* key : {"rule", "neurons", "allocation"}) {
      const std::string value = word_of(settings, key);
      if (value.empty() || value == "uniform" || value == "gqa" || value == "mha") continue;
      details.push_back(value);
    }
    if (!details.empty()) name += fmt::format(" ({})", fmt::join(details, ", "));
    names.push_back(std::move(name));
  }
  std::string text = fmt::format("{}", fmt::join(names, " or "));
  if (names.size() > 1) text += ", by " + word_of(recipe, "select");
  const std::string repair = word_of(part_of(recipe, "repair"), "method");
  return repair.empty() ? text : text + "; " + repair;
}

std::string samples_text(const Json& samples) {
  if (!samples.is_object()) return "";
  std::string text = with_commas(whole_of(samples, "samples")) + " samples";
  if (samples.contains("tokens"))
    text += ", " + with_commas(whole_of(samples, "tokens")) + " tokens";
  return text + ", sha256 " + word_of(samples, "sha256").substr(0, 12);
}

std::vector<std::pair<std::string, std::string>> facts_of(const RunFiles& files) {
  const Json &manifest = files.manifest, &model = part_of(manifest, "model"),
             &compute = part_of(manifest, "compute");
  std::vector<std::pair<std::string, std::string>> facts;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) facts.emplace_back(name, value);
  };
  add("model", fmt::format("{}, {} parameters", word_of(model, "family"),
                           with_commas(whole_of(model, "parameters"))));
  add("fingerprint", word_of(model, "fingerprint"));
  const Json& target = part_of(files.recipe, "target");
  std::vector<std::string> goals;
  for (const auto& [key, value] : target.items()) goals.push_back(key + " " + text_of(value));
  add("target", fmt::format("{}", fmt::join(goals, ", ")));
  for (const char* text : {"calibration", "validation", "data"}) {
    add(text, samples_text(part_of(manifest, text)));
  }
  add("seed", part_of(files.recipe, "seed").is_null() ? "" : text_of(files.recipe["seed"]));
  add("computed in", fmt::format("{} on {}, {} threads", word_of(compute, "dtype"),
                                 word_of(compute, "device"), whole_of(compute, "threads")));
  add("program", fmt::format("mop {}, commit {}, LibTorch {}", word_of(manifest, "version"),
                             word_of(manifest, "commit"),
                             word_of(part_of(manifest, "libraries"), "libtorch")));
  return facts;
}

void read_sizes(const RunFiles& files, RunReport& run) {
  const Json &dense = part_of(files.metrics, "dense"), &pruned = part_of(files.metrics, "pruned");
  run.dense_parameters = files.dense_parameters;
  run.dense_block_parameters = whole_of(dense, "block_parameters");
  if (run.dense_parameters == 0)
    run.dense_parameters = whole_of(part_of(files.manifest, "model"), "parameters");
  const Json& now = pruned.is_object()            ? pruned
                    : files.metrics.is_object()   ? files.metrics
                    : !files.step_metrics.empty() ? files.step_metrics.back()
                                                  : dense;
  run.parameters = whole_of(now, "parameters");
  run.block_parameters = whole_of(now, "block_parameters");
  if (run.parameters == 0) run.parameters = run.dense_parameters;
  run.shape = word_of(now, "shape");
  for (const Json& cost : part_of(files.metrics, "costs")) {
    run.costs.push_back({word_of(cost, "name"), word_of(cost, "unit"), number_of(cost, "dense"),
                         number_of(cost, "pruned")});
  }
}

void read_judged(const RunFiles& files, RunReport& run) {
  const Json& figures = part_of(files.metrics, "figures");
  const Json& outcome = part_of(files.metrics, "outcome");
  const std::string text = word_of(part_of(files.manifest, "validation"), "sha256");
  if (figures.is_object()) {
    for (const char* name : {"dense", "pruned", "repaired", "sparse", "recovered"}) {
      if (!figures.contains(name)) continue;
      const Json& figure = figures[name];
      run.judged.push_back({name, number_of(figure, "perplexity"), number_of(figure, "kl")});
    }
    run.judged_on = text;
    run.protocol = fmt::format(
        "{}; {} samples, {} tokens; {}", word_of(figures, "source"), whole_of(figures, "samples"),
        with_commas(whole_of(figures, "tokens")), word_of(figures, "protocol"));
  } else if (std::isfinite(number_of(outcome, "nll_before"))) {
    run.judged = {{"before", std::exp(number_of(outcome, "nll_before"))},
                  {"trained", std::exp(number_of(outcome, "nll_best"))}};
    run.protocol = word_of(files.metrics, "validation");
    const std::string data = word_of(part_of(files.manifest, "data"), "sha256");
    run.judged_on = text.empty() ? data + ", " + run.protocol : text;
  }
}

std::vector<ReportedCandidate> candidates_of(const Json& step) {
  std::vector<ReportedCandidate> all;
  for (const Json& one : part_of(step, "candidates")) {
    all.push_back({word_of(one, "branch"), number_of(one, "perplexity"), number_of(one, "kl"),
                   number_of(one, "cosine")});
  }
  return all;
}

bool are_plausible(const std::vector<int64_t>& numbers) {
  constexpr int64_t kMost = int64_t{1} << 53;  // their sums cannot overflow
  return std::ranges::all_of(numbers, [](int64_t n) { return n >= 0 && n <= kMost; });
}

// Whether the edges are those of bins and each bin has its counts.
bool are_drawable(const ScoreCounts& counts) {
  const size_t bins = counts.kept.size();
  if (bins == 0 || counts.removed.size() != bins || counts.edges.size() != bins + 1) return false;
  if (!std::ranges::all_of(counts.edges, [](double edge) { return std::isfinite(edge); }) ||
      !std::ranges::is_sorted(counts.edges) || counts.edges.front() == counts.edges.back()) {
    return false;
  }
  if (counts.logarithmic && counts.edges.front() <= 0) return false;
  return are_plausible(counts.kept) && are_plausible(counts.removed) &&
         are_plausible({counts.kept_below, counts.removed_below});
}

void read_counts(const Json& json, int64_t step, RunReport& run) {
  ScoreCounts counts{.criterion = word_of(json, "criterion"),
                     .unit = word_of(json, "unit"),
                     .step = step,
                     .logarithmic = word_of(json, "scale") == "log"};
  counts.edges = numbers_of(json, "edges");
  counts.kept = wholes_of(json, "kept");
  counts.removed = wholes_of(json, "removed");
  counts.kept_below = whole_of(part_of(json, "below"), "kept");
  counts.removed_below = whole_of(part_of(json, "below"), "removed");
  for (const Json& one : part_of(json, "layers")) {
    counts.ones.push_back(
        {whole_of(one, "layer"), number_of(one, "score"), part_of(one, "removed") == Json(true)});
  }
  if (are_drawable(counts) || !counts.ones.empty()) run.scores.push_back(std::move(counts));
}

void read_steps(const RunFiles& files, RunReport& run) {
  for (size_t i = 0; i < files.step_metrics.size(); ++i) {
    const Json& step = files.step_metrics[i];
    const int64_t number = whole_of(step, "step");
    const fs::path file = step_metrics_file(files.run, static_cast<int64_t>(i) + 1);
    run.steps.push_back({number, word_of(step, "branch"),
                         part_of(step, "layers").is_array() ? step_shape_text(step, file) : "",
                         whole_of(step, "parameters"), number_of(step, "removed_fraction"),
                         number_of(step, "block_removed_fraction"), candidates_of(step)});
    for (const Json& counts : part_of(step, "scores")) read_counts(counts, number, run);
  }
}

ReportedLatency read_latency(const fs::path& run) {
  const Json json = read_if_there(run / "latency.json");
  ReportedLatency latency{.outside = number_of(json, "outside"),
                          .attention = number_of(json, "attention"),
                          .kv_group = number_of(json, "kv_group"),
                          .mlp = number_of(json, "mlp"),
                          .neuron = number_of(json, "neuron")};
  for (const Json& sample : part_of(json, "samples")) {
    latency.samples.push_back({whole_of(sample, "attentions"), whole_of(sample, "kv_groups"),
                               whole_of(sample, "mlps"), whole_of(sample, "neurons"),
                               number_of(sample, "seconds")});
  }
  return latency;
}

// What a training of random weights began with, as its command named it; older runs did not say.
std::string begun_with(const RunFiles& files, const char* key, const char* unknown) {
  const std::string path = word_of(part_of(files.metrics, "began_with"), key);
  return path.empty() ? unknown : shell_word(path);
}

std::string command_of(const RunFiles& files, const std::string& verb) {
  if (verb == "train") {
    return fmt::format("mop train --config {} --tokenizer {} --recipe run/recipe.yaml --out AGAIN",
                       begun_with(files, "config", "CONFIG"),
                       begun_with(files, "tokenizer", "TOKENIZER"));
  }
  std::string text = fmt::format("mop {} --recipe run/recipe.yaml --out AGAIN", verb);
  if (verb != "prune") return text;
  const std::string model = word_of(files.recipe, "model");
  return text + fmt::format("\nmop prune {} --plan run/plan.json --out AGAIN",
                            model.empty() ? "MODEL" : shell_word(model));
}

void read_times(const RunFiles& files, RunReport& run) {
  const Json& timing = part_of(files.metrics, "timing");
  for (const char* key : {"started", "finished"}) {
    if (const std::string text = word_of(timing, key); !text.empty()) {
      run.times.emplace_back(key, text);
    }
  }
}

}  // namespace

RunReport read_run(const fs::path& folder) {
  const fs::path place = place_of(folder);
  const RunFiles files = read_files(place / "run");
  RunReport run;
  run.name = model_name(place);
  run.verb = verb_of(files);
  run.finished = files.metrics.is_object();
  run.model = word_of(files.made_by, "model");
  const std::string path = word_of(files.recipe, "model");
  if (run.model.empty() && !path.empty()) run.model = model_name(path);
  run.method = method_of(files);
  run.seed = whole_of(files.recipe, "seed");
  run.source_fingerprint = word_of(part_of(files.manifest, "model"), "fingerprint");
  run.facts = facts_of(files);
  read_sizes(files, run);
  read_judged(files, run);
  if (!files.steps.empty()) run.maps = unit_maps(units_before(files), files.steps);
  read_steps(files, run);
  run.latency = read_latency(files.run);
  run.trainings = read_trainings(files.run, files.metrics);
  read_times(files, run);
  run.command = command_of(files, run.verb);
  const fs::path recipe = files.run / "recipe.yaml";
  run.recipe = fs::exists(recipe) ? read_file(recipe) : to_yaml(files.recipe);
  run.program = fmt::format("mop {}", word_of(files.manifest, "version"));
  return run;
}

void write_run_report(const fs::path& folder) {
  write_file(folder / "run" / "report.html", html_page(run_page(read_run(folder))));
}

}  // namespace mop
