// pipeline/step_costs.cc
#include "pipeline/step_costs.h"

#include <algorithm>

#include "criteria/criterion.h"
#include "pipeline/run_repair.h"

namespace mop {
namespace {

// Forward passes that a pass with gradients and second moments costs about, and a repair.
constexpr size_t kCurvePasses = 6, kRepairPasses = 4;

bool measures(const BranchUse& use, const ModelConfig& dense) {
  return use.branch->criteria && !needed_stats(use.branch->criteria(dense, use.options)).empty();
}

}  // namespace

std::vector<StepCosts> step_costs(const PreparedRun& run) {
  std::vector<StepCosts> costs(static_cast<size_t>(expected_steps(run)));
  if (run.replay) return costs;
  const MixRecipe mix = mix_recipe(run.recipe);
  const bool compares = find_selector(run.recipe.select).first->needs_validation;
  const bool repairs = repairs_steps(run.recipe.repair);
  const ModelConfig& dense = run.dense.config();
  const auto* known = run.accounting ? &run.accounting->steps : nullptr;
  size_t layers = dense.layers.size();
  for (size_t i = 0; i < costs.size(); ++i) {
    const bool measured = std::ranges::any_of(mix.branches, [&](const BranchUse& use) {
      const bool may_be_taken = compares || !known || use.branch->name == (*known)[i].branch;
      return may_be_taken && measures(use, dense);
    });
    const auto cost_of = [](int64_t tokens, size_t passes) {
      return static_cast<double>(tokens) * static_cast<double>(passes);
    };
    if (measured) costs[i].push_back(cost_of(run.samples.calibration.tokens(), layers));
    const int64_t judged = run.samples.validation.tokens(), read = run.samples.calibration.tokens();
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
