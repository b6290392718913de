// plan/accounting.h -- a run's sizes from the config alone: no weights, no data.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/options.h"
#include "plan/branch.h"
#include "plan/target.h"

namespace mop {

/// One line of an accounting: sizes after a step.
struct AccountedStep {
  std::string branch;              ///< empty for the dense model
  std::vector<LayerShape> layers;  ///< after the step
  std::vector<int32_t> sources;    ///< source layer of each of them
  int64_t parameters = 0;
  int64_t block_parameters = 0;
  std::vector<LayerShape> tower;  ///< of a vision tower that can be cut; empty = there is none
  int64_t tower_parameters = 0;   ///< of these layers' heads and MLPs
  int64_t budget = 0;             ///< parameters the step was to remove
  Owed owed;                      ///< carried to the next step of its branch
  int64_t hidden = 0;             ///< hidden size
};

/// What to account.
struct AccountOptions {
  std::string path;  ///< letters of branches, repeated when too short
  Target target;
  std::map<std::string, Options> branches;  ///< settings of branches by name; absent = defaults
  std::vector<int32_t> protect;             ///< source layers that no step may remove whole
};

struct Accounting {
  AccountedStep dense;
  std::vector<AccountedStep> steps;
  /// Cumulative, against the dense model.
  double removed_fraction(const AccountedStep& step) const;
  double block_removed_fraction(const AccountedStep& step) const;
  double tower_removed_fraction(const AccountedStep& step) const;
  /// That of what `target` counts.
  double removed_fraction(const AccountedStep& step, const Target& target) const;
};

/// The sizes after the last step.
ModelConfig config_after(const ModelConfig& dense, const Accounting& accounting);

/// Walks the path until the target is met. In a closing step (`is_closing`) a branch that would
/// overshoot gives way to the first letter of the path that can remove just what remains. Throws
/// Error(kUsage) for a letter that is no branch or a target that makes no sense, Error(kBadInput)
/// when the target cannot be reached.
Accounting account(const ModelConfig& dense, const AccountOptions& options);

}  // namespace mop
