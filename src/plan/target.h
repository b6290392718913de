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

/// Where a run stops. One of `iterations`, `remove_fraction` and `size` is set.
struct Target {
  int64_t iterations = 0;      ///< steps; 0 = no limit
  double remove_fraction = 0;  ///< of the dense model's parameters, in (0, 1); 0 = no limit
  /// What may be left, in the currency's unit, of what the target counts. `remove_fraction` is then
  /// what this comes to, as far as it is known: see `with_fraction`.
  std::optional<double> size = std::nullopt;
  bool of_blocks = false;  ///< the fraction counts the layers alone
  bool of_tower = false;   ///< or the heads and MLPs of the vision tower's computed layers
  std::string currency = "parameters";  ///< what it counts: a row of `all_currencies()`
  CostInputs stored = {};               ///< bytes of the dense model's weights, without times
  /// Prices in that currency, in whose unit budgets then are. Null: budgets are parameters, or
  /// times are still to be measured.
  std::shared_ptr<const Costs> costs = nullptr;
  /// Number of equal steps in which the fraction is removed; 0 = steps of one layer's parameters.
  int64_t rounds = 0;
  BudgetKind budget = BudgetKind::kExact;
  /// MLP widths are multiples of this. If above 1, the fraction is reached to the nearest pack:
  /// within `half_pack`.
  int64_t shape_multiple = 1;
  bool weights_alone = false;  ///< no structural pruning: no steps
  bool counts_parameters() const { return currency == all_currencies()[0].name; }
  /// Whether budgets are parameters: of currencies that are a fixed amount a parameter.
  bool in_parameters() const { return find_currency(currency).per_parameter; }
};

/// Throws Error(kUsage) if the target is empty or contradictory, or for a fraction outside (0, 1).
void check_target(const Target& target);

/// The quantity that budgets count, of what `config` has of it.
int64_t counted(const Target& target, const ModelConfig& config);

/// The same in the unit of the target's currency, which it is for currencies other than memory.
double amount(const Target& target, const ModelConfig& config);
/// Prices for figures; null for times that are still to be measured.
std::shared_ptr<const Costs> prices(const Target& target);

/// Sets the fraction that the target's size comes to. Throws as `check_size`. Does nothing without
/// a size, or for times that are still to be measured.
Target with_fraction(Target target, const ModelConfig& dense);
/// Throws Error(kUsage) for a size that `dense` does not exceed, or beside another goal.
void check_size(const Target& target, const ModelConfig& dense);
/// For a size below `least`, an amount, which is the smallest that can be left.
Error out_of_reach(const Target& target, const ModelConfig& dense, double least);

/// Parameters (or what the target counts) that the next step should remove from `current`, nullopt
/// when the target is met. One current layer's worth, or an equal share of the fraction with
/// `rounds`; `exact` shortens the last step to what remains to the fraction. `released` never does.
/// Throws Error(kBadInput) for a fraction that no pack is small enough for.
std::optional<int64_t> next_budget(const Target& target, const ModelConfig& dense,
                                   const ModelConfig& current, int64_t steps_done);

/// Whether this step must reach the target: its budget differs from one layer's parameters.
bool is_closing(const ModelConfig& current, int64_t budget);

/// Returns why `branch` should not take a closing step: it would remove more than the rest, and one
/// of `used` (the branches of this run) can remove the rest exactly. Empty if it may take the step.
std::string overshoot(const Branch& branch, std::span<const Branch* const> used,
                      const BranchInput& input);

}  // namespace mop
