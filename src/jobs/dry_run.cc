// jobs/dry_run.cc -- describes what a pruning run would do.
#include <algorithm>
#include <cmath>

#include "jobs/prepared_run.h"
#include "jobs/prune.h"
#include "jobs/prune_card.h"
#include "jobs/prune_costs.h"
#include "run/describe.h"
#include "run/run_folder.h"

namespace mop {
namespace {

// The sizes after the run, and whether their distribution over layers is an estimate.
std::optional<std::pair<ModelConfig, bool>> config_after_run(const PreparedRun& run) {
  if (run.replayed) return std::pair{run.replayed->config(), false};
  if (run.recipe.target.weights_alone) return std::pair{run.dense.config(), false};
  auto accounting = run.accounting;
  // If all branches use curves, the number of removed units is known, but not their distribution.
  const bool spread_later = std::ranges::all_of(
      run.recipe.branches, [](const auto& name) { return find_branch(name).reads_curves; });
  if (!accounting && spread_later) {
    accounting = estimated_accounting(run.recipe, run.dense.config());
  }
  if (!accounting || accounting->steps.empty()) return std::nullopt;
  return std::pair{config_after(run.dense.config(), *accounting), !run.accounting.has_value()};
}

// What a target that counts something else than parameters, or that is a size, asks for; null where
// that is not known.
Json goal_of(const PreparedRun& run) {
  const Target& target = run.recipe.target;
  const auto known = prices(target);
  if (known == nullptr || target.remove_fraction == 0) return nullptr;
  if (target.counts_parameters() && !target.size) return nullptr;
  const double dense = amount(target, run.dense.config());
  return {{"name", target.currency},
          {"unit", known->currency().unit},
          {"dense", std::llround(dense)},
          {"pruned", std::llround(target.size.value_or(dense * (1 - target.remove_fraction)))}};
}

}  // namespace

Json dry_run(const Recipe& recipe, Progress& progress, const std::filesystem::path& out) {
  PreparedRun run = prepare(recipe, progress);
  if (!out.empty()) check_output_folder(out, run.recipe.model);
  for (const std::string& line : announcement(run)) progress.note(line);
  for (const std::string& line : run.warnings) progress.warn(line);
  Json json = to_json(run);
  json["dense"] = sizes_for_people(run.dense.config(), run.dense.config());
  json["after"] = nullptr;
  const auto after = config_after_run(run);  // by parameters; costs of latency are added below
  if (!out.empty() && run.recipe.target.costs == nullptr) {
    run.recipe.target.costs = measured_costs(run, out);
    if (run.recipe.target.costs && find_currency(run.recipe.target.currency).measured) {
      run.recipe.target = with_fraction(std::move(run.recipe.target), run.dense.config());
    }
  }
  json["goal"] = goal_of(run);
  if (after) {
    json["after"] = sizes_for_people(run.dense.config(), after->first);
    json["after"]["costs"] = costs_json(run, after->first);
    json["after"]["estimated"] = after->second;
  }
  return json;
}

}  // namespace mop
