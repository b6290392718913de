// criteria/criterion.h -- a pruning criterion: statistics and weights in, scores out.
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

/// Input of `Criterion::score` for one layer.
struct ScoreInput {
  const LayerStats& stats;      ///< the statistics in `needs`, merged over pieces and ranks
  const LayerWeights& weights;  ///< of the current layer, [out, in], compute dtype
  const ModelConfig& config;    ///< of the current model
  const LayerShape& shape;
  const Options& options;  ///< this criterion's section of the recipe
  int64_t layer;           ///< index in the current model
};

/// Input of `Criterion::score_moments` for one half layer, whose matrices exist only while it is
/// scored.
struct MomentInput {
  const HalfLayerMoments& moments;  ///< without gradients
  const at::Tensor& weights_DK;     ///< o_proj or down_proj, stored dtype, CPU
  const LayerShape& shape;
  const Options& options;
};

/// Input of `Criterion::score_losses`: one layer, which can be run with changes.
struct LossInput {
  LayerLosses& losses;
  const LayerStats& stats;  ///< the statistics in `needs`
  const ModelConfig& config;
  const LayerShape& shape;
  const Options& options;
  int64_t layer;
};

/// A criterion: a pure function and a description. Exactly one of `score`, `score_moments` and
/// `score_losses` is set.
struct Criterion {
  std::string name;              ///< name in recipes and reports; never reused
  std::string summary;           ///< one line for `mop list criteria`
  UnitKind unit;                 ///< the kind of unit that is scored
  std::vector<Stat> needs = {};  ///< statistics to gather; may be empty
  /// Returns the importance of each unit of a layer, higher = keep: [units], float64, CPU. Throws
  /// Error(kBadInput) if the statistics do not fit the shape.
  std::function<at::Tensor(const ScoreInput&)> score = nullptr;
  /// If false, weights are not loaded and `ScoreInput::weights` is empty.
  bool reads_weights = true;
  /// Uses random numbers, seeded by its option `seed`, which defaults to the run's seed.
  bool draws = false;
  /// Instead of `score` and `needs`: scores from one half layer's second moments, [units] float64
  /// on the CPU. KV groups belong to attention, neurons to the MLP.
  std::function<at::Tensor(const MomentInput&)> score_moments = nullptr;
  std::string source = {};               ///< paper and equation
  std::vector<OptionSpec> options = {};  ///< in the recipe section with its name
  std::vector<int> deviations = {};      ///< from the paper, by number: docs/method.md
  /// Instead of `score`: scores from losses of the model with this layer changed, [units] float64
  /// on the CPU.
  std::function<at::Tensor(const LossInput&)> score_losses = nullptr;
  /// Replaces `needs` for layers of a vision tower, where gradients are not available. Empty = the
  /// same as `needs`.
  std::vector<Stat> needs_of_tower = {};
  /// Returns the approximate number of loss evaluations over all samples, with these options.
  int64_t (*num_losses)(const Options& options, const ModelConfig& config,
                        const LayerShape& shape) = nullptr;
};

/// Built-in criteria in documentation order, then those added at run time.
std::span<const Criterion> all_criteria();
/// Throws Error(kUsage) listing the known names.
const Criterion& find_criterion(std::string_view name);
/// Adds a criterion at run time. Throws Error(kUsage) if the name is taken.
void add_criterion(Criterion criterion);

/// Returns the statistics that these criteria need, without duplicates. Throws Error(kUsage) for an
/// unknown name.
std::vector<Stat> needed_stats(std::span<const std::string> criteria);

/// Returns the statistics that a criterion needs for a vision tower. Throws Error(kUsage) for a
/// criterion that reads second moments or gradients, which are not available there.
std::vector<Stat> tower_stats(const Criterion& criterion);

/// Returns the names of the criteria for units of this kind.
std::vector<std::string> criteria_of(UnitKind unit);
/// Returns a criterion's section of the recipe; empty if there is none.
Options section_of(const std::map<std::string, Options>& settings, const std::string& criterion);

/// Whether there is a criterion of this name.
bool is_criterion(std::string_view name);
/// Whether any of these criteria needs calibration text. Throws Error(kUsage) for an unknown name.
bool reads_text(std::span<const std::string> criteria);
/// Whether any of them uses second moments.
bool reads_moments(std::span<const std::string> criteria);
/// Returns the approximate number of loss evaluations that these criteria make for a layer with
/// `settings`; 0 = none.
int64_t num_losses(std::span<const std::string> criteria,
                   const std::map<std::string, Options>& settings, const ModelConfig& config,
                   const LayerShape& shape);
/// Whether any of them uses losses of changed layers.
bool reads_losses(std::span<const std::string> criteria);

/// Returns the scores as float64 on the CPU. Throws Error(kBadInput) naming the criterion and the
/// layer unless they are `units` finite numbers.
at::Tensor checked_scores(const Criterion& criterion, const at::Tensor& scores, int64_t units,
                          int64_t layer);

/// Scores every layer by several criteria from the same statistics: result[criterion][layer]. Empty
/// for a layer without such units. Checks length and finiteness of all scores.
std::vector<std::vector<at::Tensor>> score_layers(WeightLoader& weights,
                                                  std::span<const LayerStats> stats,
                                                  std::span<const std::string> criteria,
                                                  const Options& options);

}  // namespace mop
