// allocate/global.h -- allocation by ranking units over the whole model.
#pragma once
#include <vector>

#include "allocate/width.h"

namespace mop {

/// Scores of every layer, [units] each; null = units of that kind are not removed.
struct GlobalScores {
  const std::vector<at::Tensor>* kv_groups = nullptr;
  const std::vector<at::Tensor>* neurons = nullptr;
};

/// Removes as many groups and neurons in total as `uniform`, those with the lowest scores of the
/// whole model. Scores are compared as they are, since all layers add to the same residual stream.
/// Every layer keeps `min_kv_groups` and a neuron (a pack, with a shape multiple); within a layer
/// the lowest go first. The difference due to whole packs is owed. Throws Error(kBadInput) if
/// scores do not fit the layers.
WidthCounts spread_by_score(const ModelConfig& config, const WidthCounts& uniform,
                            const GlobalScores& scores, const WidthOptions& options);

enum class RankBy { kScore, kScorePerParameter };

/// Removes as many parameters in total as `uniform`, from one list of groups and neurons, lowest
/// first; units that no longer fit are skipped. Kinds whose scores are null are not removed.
WidthCounts spread_in_one_list(const ModelConfig& config, const WidthCounts& uniform,
                               const GlobalScores& scores, const WidthOptions& options,
                               RankBy rank_by);

/// Desired number of removed units per layer, not rounded.
struct DesiredCounts {
  std::vector<double> kv_groups, neurons;
};

/// Removes as many groups and neurons in total as `uniform`, in whole packs, as close as possible
/// to the desired counts; minima as above.
WidthCounts spread_as_desired(const ModelConfig& config, const WidthCounts& uniform,
                              const DesiredCounts& desired, const WidthOptions& options);

}  // namespace mop
