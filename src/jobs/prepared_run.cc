// jobs/prepared_run.cc
#include "jobs/prepared_run.h"

#include <algorithm>

#include "base/error.h"
#include "criteria/criterion.h"
#include "jobs/branch_settings.h"
#include "jobs/prune_costs.h"
#include "jobs/prune_repair.h"
#include "jobs/prune_sight.h"
#include "jobs/prune_weights.h"
#include "jobs/target_text.h"
#include "model/family.h"
#include "recipe/width_multiple.h"
#include "report/table.h"
#include "run/describe.h"
#include "run/model_source.h"
#include "run/runtime.h"
#include "surgery/surgery.h"

namespace mop {
namespace {

std::shared_ptr<const Checkpoint> values_checkpoint(const Recipe& recipe, const PrunePlan& plan) {
  const std::filesystem::path folder =
      (std::filesystem::path(recipe.plan).parent_path() / plan.values.checkpoint)
          .lexically_normal();
  if (std::filesystem::exists(folder / "config.json")) return Checkpoint::open(folder);
  throw bad_input("the checkpoint with the plan's values was not found")
      .where("plan", recipe.plan)
      .where("checkpoint", folder.string())
      .hint("a plan with values needs its run folder: use RESULT/run/plan.json");
}

// Reads a plan's steps and origin.
void read_replay(PreparedRun& run) {
  const Json json = read_json(run.recipe.plan);
  PrunePlan plan = plan_from_json(json, run.recipe.plan);
  const std::string fingerprint = run.dense.checkpoint().fingerprint();
  if (!plan.source_fingerprint.empty() && plan.source_fingerprint != fingerprint) {
    throw bad_input("the plan was made for another model")
        .where("plan", run.recipe.plan)
        .where("its model", plan.source_fingerprint)
        .where("this model", fingerprint);
  }
  run.made_by = json.value("made_by", Json());
  run.replayed = apply(plan, run.dense);
  if (!plan.values.empty()) {
    if (!run.recipe.repair.is_null() || !run.recipe.weights.is_null()) {
      throw usage_error("the plan has its own values, so there is nothing to {}",
                        run.recipe.repair.is_null() ? "make zero" : "repair")
          .where("plan", run.recipe.plan);
    }
    run.replayed = with_values(*run.replayed, plan.values, *values_checkpoint(run.recipe, plan));
  }
  run.replay = std::move(plan);
}

int64_t parameters_after(const PreparedRun& run) {
  const int64_t dense = total_parameters(run.dense.config());
  if (run.replayed) return total_parameters(run.replayed->config());
  if (run.accounting && !run.accounting->steps.empty())
    return run.accounting->steps.back().parameters;
  if (run.recipe.target.iterations > 0) {
    return std::max<int64_t>(dense - run.recipe.target.iterations * layer_worth(run.dense.config()),
                             0);
  }
  return static_cast<int64_t>((1 - run.recipe.target.remove_fraction) * static_cast<double>(dense));
}

ModelConfig config_after(const PreparedRun& run) {
  if (run.replayed) return run.replayed->config();
  return run.accounting ? config_after(run.dense.config(), *run.accounting) : run.dense.config();
}

constexpr int64_t kFewTokens = 256;

std::vector<std::string> joined(std::vector<std::string> lines,
                                const std::vector<std::string>& more) {
  lines.insert(lines.end(), more.begin(), more.end());
  return lines;
}

// Warnings of readers about the result, as far as its sizes are known, and about the run itself. If
// scores determine the number of units per layer, layers are assumed to differ.
std::vector<std::string> warnings_about(const PreparedRun& run) {
  ModelConfig config = config_after(run);
  std::vector<std::string> warnings = run.dense.config().notes;
  if (run.replay) {
    warnings = joined(std::move(warnings), reader_warnings(config, &run.dense.config()));
    return joined(std::move(warnings), settings_without_effect(run));
  }
  bool odd_widths = false;
  const bool sizes_stay = run.recipe.target.weights_alone;
  const auto branches = mix_recipe(run.recipe).branches;
  for (const BranchUse& use : sizes_stay ? std::vector<BranchUse>() : branches) {
    const Reach reach = reach_of(*use.branch, run.dense.config(), use.options);
    const int64_t multiple = multiple_of(reach, UnitKind::kNeuron).value_or(32);
    odd_widths = odd_widths || multiple % 32 != 0;
    if (!reach.layers_differ || use.branch->of_tower || config.layers.size() < 2) continue;
    config.layers.back().mlp += 256 * multiple;
    if (reach.whole_parts) config.layers.back().heads = config.layers.back().kv_heads = 0;
  }
  warnings = joined(std::move(warnings), reader_warnings(config, &run.dense.config()));
  if (!run.accounting && odd_widths) {
    warnings.emplace_back(
        "the sizes depend on measurements: MLP widths will rarely be multiples of 32, which every "
        "quantised format and fast kernels need (--shape-multiple 32)");
  }
  warnings = joined(std::move(warnings), settings_without_effect(run));
  const int64_t tokens = run.samples.calibration.tokens();
  if (tokens < kFewTokens) {
    warnings.push_back(
        fmt::format("there are only {} calibration tokens: scores will be mostly noise", tokens));
  }
  return warnings;
}

Needs repair_needs_of(const PreparedRun& run) {
  Needs needs =
      repair_needs(run.recipe.repair, config_after(run), run.compute,
                   run.samples.calibration.tokens(), stored_bytes_of_parameter(run.dense));
  // The current model and the candidates of a step.
  if (repairs_steps(run.recipe.repair)) needs.disk_bytes *= 1 + std::ssize(run.recipe.branches);
  return needs;
}

// Whether a branch uses a backward pass or second moments.
bool holds_tapes_or_moments(const PreparedRun& run) {
  const MixRecipe mix = mix_recipe(run.recipe);
  return reads_curves(mix) || std::ranges::any_of(mix.branches, [&](const BranchUse& use) {
           if (!use.branch->criteria || use.branch->of_tower) return false;
           const auto criteria = use.branch->criteria(run.dense.config(), use.options);
           return need_gradients(needed_stats(criteria)) || reads_moments(criteria);
         });
}

Needs needs_of(const PreparedRun& run) {
  Needs needs = estimate_needs(run.dense, run.compute, run.samples, parameters_after(run),
                               expected_steps(run));
  // They run one after the other.
  const int64_t tokens = run.samples.calibration.tokens();
  Needs curves, repair;
  if (!run.replay && holds_tapes_or_moments(run)) {
    curves = curve_needs(run.dense.config(), run.compute, tokens);
  }
  if (!run.recipe.repair.is_null()) repair = repair_needs_of(run);
  Needs weights;
  if (!run.recipe.weights.is_null()) {
    weights = weights_needs(run.recipe.weights, config_after(run), run.compute, tokens,
                            stored_bytes_of_parameter(run.dense));
  }
  needs.memory_bytes += std::max({curves.memory_bytes, repair.memory_bytes, weights.memory_bytes});
  needs.disk_bytes += curves.disk_bytes + repair.disk_bytes + weights.disk_bytes;
  if (run.samples.pictures) needs.disk_bytes += run.samples.pictures->row_bytes(run.compute);
  if (run.recipe.recovery.is_null()) return needs;
  const RecoverRecipe recovery = recover_recipe(run.recipe.recovery);
  const bool taught = find_method(recovery.method).needs_teacher;
  const Needs training =
      training_needs(recovery, config_after(run), open_compute(recovery.device, recovery.dtype),
                     needs.disk_bytes, taught ? &run.dense.config() : nullptr);
  // Between the steps, the trained weights of the last two rounds, which are larger than the
  // result.
  const int64_t rounds = run.recipe.recovers_steps ? 2 * total_parameters(run.dense.config()) *
                                                         stored_bytes_of_parameter(run.dense)
                                                   : 0;
  return {std::max(needs.memory_bytes, training.memory_bytes),
          needs.disk_bytes + training.disk_bytes + rounds};
}

// Device memory that pruning needs.
DeviceNeeds device_needs_of(const PreparedRun& run) {
  const ModelConfig& config = run.dense.config();
  const int64_t candidates = run.replay ? 1 : std::ssize(run.recipe.branches);
  const int64_t tokens = run.samples.calibration.tokens();
  DeviceNeeds needs = pruning_device_needs(config, run.compute.dtype, tokens,
                                           run.samples.validation.tokens(), candidates);
  if (!holds_tapes_or_moments(run) && run.recipe.repair.is_null()) return needs;
  const DeviceNeeds moments = second_moment_device_needs(config, run.compute.dtype, tokens);
  needs.work = std::max(needs.work, moments.work);
  needs.least_work = std::max(needs.least_work, moments.least_work);
  if (repair_trains(run.recipe.repair)) {
    const int64_t training = repair_needs_of(run).memory_bytes;
    needs.work = std::max(needs.work, training);
    needs.least_work = std::max(needs.least_work, training);
  }
  return needs;
}

// Throws if the run or its recovery does not fit; returns a notice if weights are streamed.
std::string check_devices(const PreparedRun& run) {
  const std::string line = check_device_memory(run.device_needs, run.compute);
  if (run.recipe.recovery.is_null()) return line;
  const RecoverRecipe recovery = recover_recipe(run.recipe.recovery);
  const Compute compute = open_compute(recovery.device, recovery.dtype);
  const bool taught = find_method(recovery.method).needs_teacher;
  const std::string training =
      check_device_memory(training_device_needs(recovery, config_after(run), compute.dtype,
                                                taught ? &run.dense.config() : nullptr),
                          compute);
  return line.empty() && !training.empty() ? "recovery: " + training : line;
}

void check_can_compare(const PreparedRun& run) {
  for (const BranchUse& use : mix_recipe(run.recipe).branches) {
    if (!use.branch->judges || !use.branch->judges(use.options)) continue;
    if (!run.samples.validation.ids.empty()) continue;
    throw usage_error("branch '{}' evaluates models on held-out text, but there is none",
                      use.branch->name)
        .hint("give --validation FILE");
  }
  if (!find_selector(run.recipe.select).first->needs_validation) return;
  if (run.recipe.branches.size() < 2) return;  // nothing to compare
  if (!run.samples.validation.ids.empty()) return;
  throw usage_error("the selector '{}' compares candidates on held-out text, but there is none",
                    run.recipe.select)
      .hint("give --validation FILE");
}

std::string branches_text(const Recipe& recipe) {
  std::string text;
  for (const std::string& name : recipe.branches) {
    const Json& settings = recipe.settings.at(name);
    std::string inside;
    for (const auto& [key, value] : settings.items()) {
      inside += (inside.empty() ? "" : ", ") + key + " " +
                (value.is_string() ? value.get<std::string>() : value.dump());
    }
    text += (text.empty() ? "" : "; ") + name + (inside.empty() ? "" : " (" + inside + ")");
  }
  return text;
}

}  // namespace

PreparedRun prepare(Recipe recipe, Progress& progress) {
  if (recipe.model.empty()) throw usage_error("no model: give a folder");
  const Compute compute = open_compute(recipe.device, recipe.dtype);
  const bool replays = !recipe.plan.empty();
  if (!replays && recipe.calibration.empty()) recipe.calibration = kBuiltInText;
  recipe.model = local_model(recipe.model, progress).string();
  Model dense = Model::open(recipe.model);
  recipe.target.stored = stored_costs(dense);
  PreparedRun run{resolve(std::move(recipe), dense.config()),
                  std::move(dense),
                  compute,
                  {},
                  {},
                  {},
                  {},
                  {},
                  {},
                  {},
                  {}};
  if (replays) {
    read_replay(run);
  } else {
    const ModelConfig& config = run.dense.config();
    run.accounting = known_accounting(run.recipe, config);
    // A path that depends on measurements is not counted; an unreachable target is reported here.
    if (!run.accounting) check_reach(run.recipe, config);
  }
  if (!run.recipe.calibration.empty() || !run.recipe.validation.empty()) {
    run.tokenizer = open_tokenizer(run.recipe.model);
    run.samples = load_samples(run.recipe, *run.tokenizer, run.dense, progress);
  }
  if (!replays) check_can_compare(run);
  if (!run.recipe.weights.is_null()) check_weights(run, config_after(run));
  const std::string unseen = check_sight(run);
  run.warnings = warnings_about(run);
  if (!unseen.empty()) run.warnings.push_back(unseen);
  run.needs = needs_of(run);
  run.device_needs = device_needs_of(run);
  run.device_line = check_devices(run);
  return run;
}

void show_pictures(PreparedRun& run, const std::filesystem::path& scratch, Progress& progress) {
  if (!run.samples.pictures) return;
  run.dense = run.samples.pictures->shown_to(run.dense, run.compute, scratch, progress);
  if (!run.replayed) return;
  run.replayed =
      have_one_tower(run.dense, *run.replayed)
          ? run.replayed->with_input_rows(run.dense.input_rows())
          : run.samples.pictures->shown_to(*run.replayed, run.compute, scratch, progress);
}

int64_t expected_steps(const PreparedRun& run) {
  if (run.replay) return static_cast<int64_t>(run.replay->steps.size());
  if (run.accounting) return static_cast<int64_t>(run.accounting->steps.size());
  if (run.recipe.target.iterations > 0) return run.recipe.target.iterations;
  if (!run.recipe.target.in_parameters()) return run.recipe.target.rounds;
  const auto estimated = estimated_accounting(run.recipe, run.dense.config());
  return estimated ? std::ssize(estimated->steps) : 0;
}

bool knows_its_steps(const PreparedRun& run) {
  return run.replay || run.accounting || run.recipe.target.iterations > 0;
}

namespace {

std::vector<std::string> target_lines(const PreparedRun& run) {
  const Recipe& recipe = run.recipe;
  if (recipe.target.weights_alone)
    return {
        fmt::format("target: {}, seed {}", target_text(recipe, run.dense.config()), recipe.seed)};
  std::vector<std::string> lines = {fmt::format("target: {}, select {}, seed {}",
                                                target_text(recipe, run.dense.config()),
                                                recipe.select, recipe.seed)};
  if (!recipe.method_note.empty()) lines.push_back(recipe.method_note);
  lines.push_back("branches: " + branches_text(recipe));
  const std::string widths = width_multiple_text(recipe, run.dense.config());
  if (!widths.empty()) lines.push_back(widths);
  return lines;
}

}  // namespace

std::vector<std::string> announcement(const PreparedRun& run) {
  const ModelConfig& config = run.dense.config();
  std::vector<std::string> lines = {
      fmt::format("model: {} {}, {}, {} parameters", config.family->name, run.recipe.model,
                  shape_text(config), with_commas(total_parameters(config)))};
  if (run.replay) {
    lines.push_back(fmt::format("replays {} steps{} of {}", run.replay->steps.size(),
                                run.replay->values.empty() ? "" : " and the changed values",
                                run.recipe.plan));
  } else {
    for (std::string& line : target_lines(run)) lines.push_back(std::move(line));
  }
  if (!run.recipe.repair.is_null()) {
    lines.push_back("repair: " + repair_text(run.recipe.repair, run.samples.calibration.tokens()));
  }
  if (!run.recipe.weights.is_null()) {
    lines.push_back("weights set to zero: " + weights_text(run.recipe.weights));
  }
  if (!run.samples.calibration.ids.empty()) {
    lines.push_back(fmt::format(
        "text{}: {} calibration samples ({} tokens), {} validation samples ({} tokens)",
        run.recipe.calibration == kBuiltInText
            ? ", built-in (text of the model's own use, --calibration FILE, gives better results)"
            : "",
        run.samples.calibration.ids.size(), with_commas(run.samples.calibration.tokens()),
        run.samples.validation.ids.size(), with_commas(run.samples.validation.tokens())));
  }
  if (run.accounting && !run.accounting->steps.empty()) {
    const AccountedStep& last = run.accounting->steps.back();
    lines.push_back(fmt::format("result: {}, {} parameters after {} steps, {} removed",
                                shape_text(config, config_after(run)), with_commas(last.parameters),
                                run.accounting->steps.size(),
                                percent(run.accounting->removed_fraction(last))));
  }
  lines.push_back(
      fmt::format("needs: about {} of memory and {} of disk; computes in {} on {} with {} threads",
                  short_bytes(run.needs.memory_bytes), short_bytes(run.needs.disk_bytes),
                  dtype_name(run.compute.dtype), run.recipe.device, threads_in_use()));
  if (!run.compute.device.is_cpu()) {
    lines.push_back(fmt::format("device: about {} of its memory, {} with streamed weights",
                                short_bytes(run.device_needs.resident()),
                                short_bytes(run.device_needs.streaming())));
  }
  if (!run.device_line.empty()) lines.push_back(run.device_line);
  return lines;
}

Json to_json(const PreparedRun& run) {
  Json json;
  json["recipe"] = to_json(run.recipe);
  json["widths"] = width_multiple_text(run.recipe, run.dense.config());
  json["accounting"] = run.accounting ? accounting_json(*run.accounting) : Json();
  json["needs"] = {{"memory_bytes", run.needs.memory_bytes},
                   {"disk_bytes", run.needs.disk_bytes},
                   {"device", to_json(run.device_needs)}};
  json["warnings"] = run.warnings;
  return json;
}

}  // namespace mop
