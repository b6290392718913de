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
#include "stats/half_layer_moments.h"
#include "stats/layer_losses.h"
#include "stats/layer_stats.h"
#include "structure/unit.h"

namespace mop {

/// Everything a criterion may look at for one layer.
struct ScoreInput {
  const LayerStats& stats;      ///< what `needs` asked for, merged over pieces and ranks
  const LayerWeights& weights;  ///< the current layer, [out, in], compute dtype
  const ModelConfig& config;    ///< of the current model: family's table, biases
  const LayerShape& shape;
  const Options& options;  ///< this criterion's section of the recipe, as it declares it
  int64_t layer;           ///< index in the current model
};

/// What a criterion of second moments may look at: one half layer, whose matrices exist while it is
/// scored.
struct MomentInput {
  const HalfLayerMoments& moments;  ///< without gradients
  const at::Tensor& weights_DK;     ///< o_proj or down_proj, stored dtype, CPU
  const LayerShape& shape;
  const Options& options;
};

/// What a criterion of losses may look at: one layer, which it may change and run again.
struct LossInput {
  LayerLosses& losses;
  const LayerStats& stats;  ///< what `needs` asked for
  const ModelConfig& config;
  const LayerShape& shape;
  const Options& options;
  int64_t layer;
};

/// One criterion: a pure function and the facts needed to list and check it.
struct Criterion {
  std::string name;              ///< as spelled in recipes and reports; never reused
  std::string summary;           ///< one line for `mop list criteria`
  UnitKind unit;                 ///< what the scores rank
  std::vector<Stat> needs = {};  ///< what the collector must gather, maybe nothing
  /// Importance of each unit of a layer, higher = keep: [units], float64, CPU.
  /// Throws Error(kBadInput) if the statistics do not fit the shape.
  std::function<at::Tensor(const ScoreInput&)> score = nullptr;
  /// False spares a large model the reading of its weights; `ScoreInput::weights` is then empty.
  bool reads_weights = true;
  /// Draws by its option `seed`, which is the run's seed unless it is set.
  bool draws = false;
  /// Instead of `score` and `needs`: scores from one half layer's second moments, [units] float64
  /// on the CPU. KV groups are of the attention, neurons of the MLP.
  std::function<at::Tensor(const MomentInput&)> score_moments = nullptr;
  std::string source = {};               ///< paper and equation
  std::vector<OptionSpec> options = {};  ///< its section of the recipe, which has its name
  std::vector<int> deviations = {};      ///< from the paper, by number: docs/method.md
  /// Instead of `score`: scores from losses of the model with this layer changed, [units] float64
  /// on the CPU.
  std::function<at::Tensor(const LossInput&)> score_losses = nullptr;
  /// Instead of `needs`, of the layers of a vision tower: there are no gradients of those. Empty =
  /// the same.
  std::vector<Stat> needs_of_tower = {};
  /// How many losses over all samples that takes, about.
  int64_t (*num_losses)(const ModelConfig& config, const LayerShape& shape) = nullptr;
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

/// The statistics that a criterion wants of a vision tower. Throws Error(kUsage) for one that is
/// not scored there: it reads second moments or gradients.
std::vector<Stat> tower_stats(const Criterion& criterion);

/// The names of the criteria that rank units of this kind.
std::vector<std::string> criteria_of(UnitKind unit);
/// A criterion's section of the recipe; empty where there is none.
Options section_of(const std::map<std::string, Options>& settings, const std::string& criterion);

/// Whether the table has a criterion of this name.
bool is_criterion(std::string_view name);
/// Whether one of these criteria is measured on text. Throws Error(kUsage) on an unknown name.
bool reads_text(std::span<const std::string> criteria);
/// Whether one of them is scored by second moments.
bool reads_moments(std::span<const std::string> criteria);
/// Losses of changed layers that these criteria measure in a layer, about; 0 = none is scored so.
int64_t num_losses(std::span<const std::string> criteria, const ModelConfig& config,
                   const LayerShape& shape);
/// Whether one of them is scored by losses of changed layers.
bool reads_losses(std::span<const std::string> criteria);

/// Scores as float64 on the CPU. Throws Error(kBadInput), naming the criterion and the layer, when
/// they are not `units` finite numbers.
at::Tensor checked_scores(const Criterion& criterion, const at::Tensor& scores, int64_t units,
                          int64_t layer);

/// Scores of every layer by several criteria from one statistics pass: result[criterion][layer].
/// A layer without such units gives an empty tensor. Every score is checked: right length, finite.
std::vector<std::vector<at::Tensor>> score_layers(WeightLoader& weights,
                                                  std::span<const LayerStats> stats,
                                                  std::span<const std::string> criteria,
                                                  const Options& options);

}  // namespace mop
