// plan/target.h -- how far a run goes, and what the next step should remove: the same answer for
// the accounting and for the run itself.
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
  /// Steps in which the fraction is removed, of equal size; 0 = as many as there are layers' worths
  /// in it.
  int64_t rounds = 0;
  BudgetKind budget = BudgetKind::kExact;
  /// MLP widths are kept at multiples of this. Beyond 1 the fraction is met to the nearest pack:
  /// within `half_pack`, more or less.
  int64_t shape_multiple = 1;
  bool weights_alone = false;  ///< nothing structural goes: no step is taken
  bool counts_parameters() const { return currency == all_currencies()[0].name; }
  /// Whether budgets are parameters: of currencies that are a fixed amount a parameter.
  bool in_parameters() const { return find_currency(currency).per_parameter; }
};

/// Throws Error(kUsage) when the target says nothing, too much, or a fraction outside (0, 1).
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

/// Whether this step must meet what remains to the target: its budget is not one layer's worth.
bool is_closing(const ModelConfig& current, int64_t budget);

/// Why `branch` should leave a closing step to another one: it would remove more than remains, and
/// one of `used` (the branches that this run may take) can remove just that. Empty when it may go.
std::string overshoot(const Branch& branch, std::span<const Branch* const> used,
                      const BranchInput& input);

}  // namespace mop
