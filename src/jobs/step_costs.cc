// jobs/step_costs.cc
#include "jobs/step_costs.h"

#include <algorithm>

#include "criteria/criterion.h"
#include "jobs/prune_repair.h"
#include "jobs/step_scores.h"

namespace mop {
namespace {

// Approximate costs in forward passes: of a pass with gradients and second moments, of a repair, of
// a pass with gradients only, and of one with second moments only.
constexpr size_t kCurvePasses = 6, kRepairPasses = 4, kGradientPasses = 4, kMomentPasses = 2;

std::vector<std::string> criteria_of(const BranchUse& use, const ModelConfig& dense) {
  return use.branch->criteria ? use.branch->criteria(dense, use.options)
                              : std::vector<std::string>();
}

// The passes of a step's criteria, each in forward passes.
std::vector<size_t> measuring_passes(const std::vector<std::string>& criteria,
                                     const std::map<std::string, Options>& settings,
                                     const ModelConfig& dense) {
  std::vector<size_t> passes;
  const std::vector<Stat> stats = needed_stats(criteria);
  const auto looks = [](Stat stat) { return stat_row(stat).add != nullptr; };
  if (std::ranges::any_of(stats, looks)) passes.push_back(1);
  if (need_gradients(stats)) passes.push_back(kGradientPasses);
  if (reads_moments(criteria)) passes.push_back(kMomentPasses);
  if (reads_losses(criteria)) {
    // Each loss runs the layers after the changed one, on average half of the model.
    int64_t losses = 0;
    for (const LayerShape& shape : dense.layers)
      losses += num_losses(criteria, settings, dense, shape);
    passes.push_back(1 + static_cast<size_t>(losses / 2));
  }
  return passes;
}

bool judges(const BranchUse& use) { return use.branch->judges && use.branch->judges(use.options); }

}  // namespace

std::vector<StepCosts> step_costs(const PreparedRun& run) {
  std::vector<StepCosts> costs(static_cast<size_t>(expected_steps(run)));
  if (run.replay) return costs;
  const MixRecipe mix = mix_recipe(run.recipe);
  const bool compares = find_selector(run.recipe.select).first->needs_validation;
  const bool repairs = repairs_steps(run.recipe.repair);
  const ModelConfig& dense = run.dense.config();
  const std::map<std::string, Options> settings = criterion_settings(run.recipe);
  const auto* known = run.accounting ? &run.accounting->steps : nullptr;
  size_t layers = dense.layers.size();
  for (size_t i = 0; i < costs.size(); ++i) {
    std::vector<std::string> criteria;
    bool measured = false, judged_layers = false;
    for (const BranchUse& use : mix.branches) {
      const std::vector<std::string> own = criteria_of(use, dense);
      criteria.insert(criteria.end(), own.begin(), own.end());
      const bool may_be_taken = compares || !known || use.branch->name == (*known)[i].branch;
      measured = measured || (may_be_taken && reads_text(own));
      judged_layers = judged_layers || (may_be_taken && judges(use));
    }
    const auto cost_of = [](int64_t tokens, size_t passes) {
      return static_cast<double>(tokens) * static_cast<double>(passes);
    };
    for (const size_t passes :
         measured ? measuring_passes(criteria, settings, dense) : std::vector<size_t>()) {
      costs[i].push_back(cost_of(run.samples.calibration.tokens(), passes * layers));
    }
    const int64_t judged = run.samples.validation.tokens(), read = run.samples.calibration.tokens();
    // Each model without one layer runs the layers after it.
    if (judged_layers)
      costs[i].push_back(cost_of(judged, dense.layers.size() + layers * layers / 2));
    if (reads_curves(mix)) costs[i].push_back(cost_of(read, layers * kCurvePasses));
    for (size_t b = 0; repairs && b < (compares ? mix.branches.size() : 1); ++b) {
      costs[i].push_back(cost_of(read, layers * kRepairPasses));
      if (judged > 0) costs[i].push_back(cost_of(judged, dense.layers.size() + 2 * layers));
    }
    if (compares) {
      costs[i].push_back(cost_of(judged, dense.layers.size() + layers * mix.branches.size()));
    }
    if (known) layers = (*known)[i].layers.size();
  }
  return costs;
}

}  // namespace mop
