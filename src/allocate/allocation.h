// allocate/allocation.h -- how the units of a width step are spread over the layers: the table of
// allocations.
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

/// What an allocation may look at.
struct SpreadInput {
  const ModelConfig& config;
  const WidthCounts& uniform;  ///< what equally many units of equal layers come to
  GlobalScores scores;
  const std::vector<double>* layers = nullptr;  ///< scores by the row's criterion, one a layer
  const WidthOptions& options;
  const Options* settings = nullptr;  ///< the section of the branch, as the row declares its part
  /// The loss on held-out text of the current model without so many units of every layer, those of
  /// the lowest scores; infinite where it is no number. Given to rows that judge.
  std::function<std::vector<double>(const std::vector<WidthCounts>& candidates)> judge = nullptr;
  /// Tells people how far a row is that judges.
  std::function<void(const std::string& line)> note = [](const std::string&) {};
};

using AllocateCurves = DamageAllocation (*)(std::span<const HalfLayerCurve> curves,
                                            const DamageTarget& target);

struct Allocation {
  std::string name;
  std::string summary;
  std::string criterion = {};  ///< of layers: scores that it reads; empty = none
  /// Counts that remove as many parameters as `uniform`, or less by what no pack fits, which is
  /// then owed. Null: `uniform` itself.
  WidthCounts (*spread)(const SpreadInput& input) = nullptr;
  /// Whether KV groups and neurons are one list: then either may go where `uniform` takes none.
  bool ranks_kinds_together = false;
  bool judges = false;  ///< `spread` judges models on held-out text
  bool draws = false;   ///< by `WidthOptions::evolution_seed`
  /// Of damage curves, in the branches that have them (`damage.allocation`). Null: not there.
  AllocateCurves of_curves = nullptr;
  std::string source = {};               ///< paper and equation
  std::vector<OptionSpec> options = {};  ///< in the section `width`
  std::vector<int> deviations = {};      ///< from the paper, by number: docs/method.md
};

/// Settings of the rows that judge, in the section of the branch.
void read_search_settings(const Options& options, WidthOptions& settings);

/// In documentation order; the first is the default.
std::span<const Allocation> all_allocations();
/// Throws Error(kUsage) listing the known names.
const Allocation& find_allocation(std::string_view name);

}  // namespace mop
