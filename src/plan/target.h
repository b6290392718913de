// plan/target.h -- when a run ends, and how much the next step removes; used by the accounting and
// by the run.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "allocate/width.h"
#include "base/error.h"
#include "plan/branch.h"

namespace mop {

/// When a run ends. One of `iterations`, `remove_fraction` and `size` is set.
struct Target {
  int64_t iterations = 0;      ///< steps; 0 = no limit
  double remove_fraction = 0;  ///< of the dense model's parameters, in (0, 1); 0 = no limit
  /// Maximum of the counted quantity after the run, in the currency's unit. `remove_fraction` is
  /// then derived from it once costs are known: see `with_fraction`.
  std::optional<double> size = std::nullopt;
  bool of_blocks = false;  ///< the target counts the layers only
  /// The target counts attention and MLPs of the vision tower's computed layers.
  bool of_tower = false;
  std::string currency = "parameters";  ///< the counted quantity: a row of `all_currencies()`
  CostInputs stored = {};               ///< bytes of the dense model's weights, without times
  /// Costs in that currency, which is also the unit of budgets. Null: budgets are parameters, or
  /// times are not yet measured.
  std::shared_ptr<const Costs> costs = nullptr;
  /// Number of equal steps in which the fraction is removed; 0 = steps of one layer's parameters.
  int64_t rounds = 0;
  BudgetKind budget = BudgetKind::kExact;
  /// MLP widths are multiples of this. If above 1, the fraction is reached to the nearest pack:
  /// within `half_pack`.
  int64_t shape_multiple = 1;
  /// Parameters that rounding to packs may leave of a fraction removed in rounds; more is an error.
  int64_t most_missing = INT64_MAX;
  /// A repair after the last step adds biases to o_proj and down_proj, which count in a size.
  bool biases_follow = false;
  bool weights_alone = false;  ///< no structural pruning: no steps
  bool counts_parameters() const { return currency == all_currencies()[0].name; }
  /// Whether budgets are parameters: for currencies that cost a fixed amount per parameter.
  bool in_parameters() const { return find_currency(currency).per_parameter; }
};

/// Throws Error(kUsage) if the target is empty or contradictory, or for a fraction outside (0, 1).
void check_target(const Target& target);

/// Returns the quantity that the target counts, for `config`, in the unit of budgets.
int64_t counted(const Target& target, const ModelConfig& config);

/// Returns that quantity in the unit of the target's currency. Times must have been measured.
double amount(const Target& target, const ModelConfig& config);
/// Returns the costs in the target's currency; null for times that are not yet measured.
std::shared_ptr<const Costs> prices(const Target& target);

/// Returns the target with the fraction that its size amounts to. Throws as `check_size`. Changes
/// nothing without a size, or for times that are not yet measured.
Target with_fraction(Target target, const ModelConfig& dense);
/// Throws Error(kUsage) for a size that is not below that of `dense`, or with a second goal.
void check_size(const Target& target, const ModelConfig& dense);
/// Returns the config with what follows the last step, as far as a size counts it.
ModelConfig with_what_follows(const Target& target, ModelConfig config);
/// Returns the error for a size below `least`, the smallest amount that the run can leave.
Error out_of_reach(const Target& target, const ModelConfig& dense, double least);
/// Returns the error for a fraction above `in_reach`, the largest that the run can remove.
Error beyond_reach(const Target& target, double in_reach);

/// Returns the quantity (parameters or the target's currency) that the next step should remove from
/// `current`; nullopt if the target is reached. It is one current layer's parameters or, with
/// `rounds`, an equal share of the fraction, which closes; `exact` reduces the last step to the
/// rest, which closes, `released` does not. Throws Error(kBadInput) for a fraction smaller than the
/// smallest pack, and after the last round if more than `most_missing` is left.
std::optional<StepBudget> next_budget(const Target& target, const ModelConfig& dense,
                                      const ModelConfig& current, int64_t steps_done);

/// Returns a line for a run in rounds whose result `left` misses the fraction by more than
/// `most_missing`; empty otherwise. `next_budget` throws for the same; a run that measurements
/// decide keeps its result.
std::string missed_target(const Target& target, const ModelConfig& dense, const ModelConfig& left);

/// Returns why `branch` should not take this step: it would remove more than remains to the target,
/// and one of `used` (the branches of this run) can remove the rest exactly. Empty if it may.
std::string overshoot(const Branch& branch, std::span<const Branch* const> used,
                      const BranchInput& input);

}  // namespace mop
