// allocate/global.h -- a width step's units taken wherever in the model the scores are lowest.
#pragma once
#include <vector>

#include "allocate/width.h"

namespace mop {

/// Scores of every layer, [units] each; null = no unit of that kind goes.
struct GlobalScores {
  const std::vector<at::Tensor>* kv_groups = nullptr;
  const std::vector<at::Tensor>* neurons = nullptr;
};

/// As many groups and neurons as `uniform` takes in all, those with the lowest scores of the whole
/// model, compared as they are: what a unit sends on is measured in the same residual stream
/// everywhere. Every layer keeps `min_kv_groups` and a neuron (a pack, with a shape multiple);
/// within a layer the lowest go first. What whole packs leave over is owed. Throws Error(kBadInput)
/// when scores do not fit the layers.
WidthCounts spread_by_score(const ModelConfig& config, const WidthCounts& uniform,
                            const GlobalScores& scores, const WidthOptions& options);

enum class RankBy { kScore, kScorePerParameter };

/// As many parameters as `uniform` takes in all, from one list of groups and neurons, lowest first;
/// what does not fit any more is passed over. Kinds whose scores are null do not go.
WidthCounts spread_in_one_list(const ModelConfig& config, const WidthCounts& uniform,
                               const GlobalScores& scores, const WidthOptions& options,
                               RankBy rank_by);

/// How many units should go from each layer, not rounded.
struct DesiredCounts {
  std::vector<double> kv_groups, neurons;
};

/// As many groups and neurons in all as `uniform` takes, whole packs as near to the desired counts
/// as that allows; minima as above.
WidthCounts spread_as_desired(const ModelConfig& config, const WidthCounts& uniform,
                              const DesiredCounts& desired, const WidthOptions& options);

}  // namespace mop
