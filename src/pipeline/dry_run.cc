// pipeline/dry_run.cc -- what a pruning run would do.
#include "pipeline/describe.h"
#include "pipeline/prune.h"
#include "pipeline/prune_card.h"
#include "pipeline/run_costs.h"
#include "pipeline/run_plan.h"

namespace mop {
namespace {

// The sizes after the run, and whether layers may come to share them otherwise.
std::optional<std::pair<ModelConfig, bool>> config_after_run(const PreparedRun& run) {
  if (run.replayed) return std::pair{run.replayed->config(), false};
  if (run.recipe.target.weights_alone) return std::pair{run.dense.config(), false};
  auto accounting = run.accounting;
  if (!accounting) accounting = estimated_accounting(run.recipe, run.dense.config());
  if (!accounting || accounting->steps.empty()) return std::nullopt;
  ModelConfig config = run.dense.config();
  config.layers = accounting->steps.back().layers;
  return std::pair{std::move(config), !run.accounting.has_value()};
}

}  // namespace

Json dry_run(const Recipe& recipe, Progress& progress, const std::filesystem::path& out) {
  PreparedRun run = prepare(recipe, progress);
  for (const std::string& line : announcement(run)) progress.note(line);
  for (const std::string& line : run.warnings) progress.warn(line);
  Json json = to_json(run);
  json["dense"] = sizes_for_people(run.dense.config());
  json["after"] = nullptr;
  if (const auto after = config_after_run(run)) {
    if (!out.empty() && run.recipe.target.costs == nullptr) {
      run.recipe.target.costs = measured_costs(run, out);
    }
    json["after"] = sizes_for_people(after->first);
    json["after"]["costs"] = costs_json(run, after->first);
    json["after"]["estimated"] = after->second;
  }
  return json;
}

}  // namespace mop
