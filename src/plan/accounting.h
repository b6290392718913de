// plan/accounting.h -- predicts the sizes of a run from the config, without weights or data.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/options.h"
#include "plan/branch.h"
#include "plan/target.h"

namespace mop {

/// Sizes after one step.
struct AccountedStep {
  std::string branch;              ///< empty for the dense model
  std::vector<LayerShape> layers;  ///< after the step
  std::vector<int32_t> sources;    ///< source layer of each layer
  int64_t parameters = 0;
  int64_t block_parameters = 0;
  std::vector<LayerShape> tower;  ///< of a prunable vision tower; empty = there is none
  int64_t tower_parameters = 0;   ///< attention and MLPs of these layers
  int64_t budget = 0;             ///< parameters to remove in the step
  Owed owed;                      ///< carried to the next step of its branch
  int64_t hidden = 0;             ///< hidden size
};

/// Input of `account`.
struct AccountOptions {
  std::string path;  ///< letters of branches; repeated if too short
  Target target;
  std::map<std::string, Options> branches;  ///< settings of branches by name; absent = defaults
  std::vector<int32_t> protect;             ///< source layers that must not be removed
};

struct Accounting {
  AccountedStep dense;
  std::vector<AccountedStep> steps;
  /// Cumulative, relative to the dense model.
  double removed_fraction(const AccountedStep& step) const;
  double block_removed_fraction(const AccountedStep& step) const;
  double tower_removed_fraction(const AccountedStep& step) const;
  /// The removed fraction of the quantity that `target` counts.
  double removed_fraction(const AccountedStep& step, const Target& target) const;
};

/// Returns the config with the sizes after the last step.
ModelConfig config_after(const ModelConfig& dense, const Accounting& accounting);

/// Takes steps along the path until the target is reached. A branch that would remove more than
/// remains is replaced by the first letter of the path that can remove exactly the rest. Throws
/// Error(kUsage) for an unknown letter or an invalid target, Error(kBadInput) if the target cannot
/// be reached.
Accounting account(const ModelConfig& dense, const AccountOptions& options);

}  // namespace mop
