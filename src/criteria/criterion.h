// criteria/criterion.h -- what a pruning criterion is: statistics and weights in, scores out.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "model/weights.h"
#include "stats/layer_stats.h"
#include "structure/unit.h"

namespace mop {

/// Everything a criterion may look at for one layer.
struct ScoreInput {
  const LayerStats& stats;      ///< what `needs` asked for, merged over pieces and ranks
  const LayerWeights& weights;  ///< the current layer, [out, in], compute dtype
  const ModelConfig& config;    ///< of the current model: family's table, biases
  const LayerShape& shape;
  const Options& options;  ///< this criterion's section of the recipe
  int64_t layer;           ///< index in the current model
};

/// One criterion: a pure function and the facts needed to list and check it.
struct Criterion {
  std::string name;         ///< as spelled in recipes and reports; never reused
  std::string summary;      ///< one line for `mop list criteria`
  UnitKind unit;            ///< what the scores rank
  std::vector<Stat> needs;  ///< what the collector must gather, maybe nothing
  /// Importance of each unit of a layer, higher = keep: [units], float64, CPU.
  /// Throws Error(kBadInput) if the statistics do not fit the shape.
  std::function<at::Tensor(const ScoreInput&)> score;
  /// False spares a large model the reading of its weights; `ScoreInput::weights` is then empty.
  bool reads_weights = true;
  /// Draws by its option `seed`, which is the run's seed unless it is set.
  bool draws = false;
};

/// Built-in criteria in documentation order, then those added at run time (plug-ins, tests).
std::span<const Criterion> all_criteria();
/// Throws Error(kUsage), listing the known names, if there is none called `name`.
const Criterion& find_criterion(std::string_view name);
/// Adds one at run time. Throws Error(kUsage) when the name is taken.
void add_criterion(Criterion criterion);

/// The statistics that these criteria want together, each once. Throws Error(kUsage) on an unknown
/// name.
std::vector<Stat> needed_stats(std::span<const std::string> criteria);

/// Scores of every layer by several criteria from one statistics pass: result[criterion][layer].
/// A layer without such units gives an empty tensor. Every score is checked: right length, finite.
std::vector<std::vector<at::Tensor>> score_layers(WeightLoader& weights,
                                                  std::span<const LayerStats> stats,
                                                  std::span<const std::string> criteria,
                                                  const Options& options);

}  // namespace mop
