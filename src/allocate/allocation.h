// allocate/allocation.h -- how the units of a width step are distributed over the layers: the table
// of allocations.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocate/damage.h"
#include "allocate/global.h"
#include "allocate/width.h"
#include "base/options.h"

namespace mop {

/// Input of `Allocation::spread`.
struct SpreadInput {
  const ModelConfig& config;
  const WidthCounts& uniform;  ///< the uniform allocation: equal counts for equal layers
  GlobalScores scores;
  const std::vector<double>* layers = nullptr;  ///< one score per layer, by the row's criterion
  const WidthOptions& options;
  const Options* settings = nullptr;  ///< the section of the branch, with the row's options
  /// Returns, for each candidate, the loss on held-out text of the current model without the given
  /// number of lowest-scoring units in each layer; infinite if it is not a number. Set for rows
  /// with `judges`.
  std::function<std::vector<double>(const std::vector<WidthCounts>& candidates)> judge = nullptr;
  /// Reports the progress of rows with `judges` to the user.
  std::function<void(const std::string& line)> note = [](const std::string&) {};
};

using AllocateCurves = DamageAllocation (*)(std::span<const HalfLayerCurve> curves,
                                            const DamageTarget& target);

struct Allocation {
  std::string name;
  std::string summary;
  std::string criterion = {};  ///< criterion of layers whose scores it reads; empty = none
  /// Returns counts that remove as many parameters as `uniform`, or fewer if no pack fits; the
  /// difference is then owed. Null: `uniform` itself.
  WidthCounts (*spread)(const SpreadInput& input) = nullptr;
  /// Whether KV groups and neurons are ranked in one list, so that either kind may be removed even
  /// if `uniform` removes none.
  bool ranks_kinds_together = false;
  bool judges = false;  ///< `spread` evaluates models on held-out text
  bool draws = false;   ///< uses random numbers, seeded by `WidthOptions::evolution_seed`
  /// Allocation by damage curves, for branches that compute them (`damage.allocation`). Null: not
  /// available.
  AllocateCurves of_curves = nullptr;
  std::string source = {};               ///< paper and equation
  std::vector<OptionSpec> options = {};  ///< in the section `width`
  std::vector<int> deviations = {};      ///< from the paper, by number: docs/method.md
};

/// Reads the settings of rows with `judges` from the section of the branch.
void read_search_settings(const Options& options, WidthOptions& settings);

/// All allocations in documentation order; the first is the default.
std::span<const Allocation> all_allocations();
/// Throws Error(kUsage) listing the known names.
const Allocation& find_allocation(std::string_view name);

}  // namespace mop
