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

}  // namespace mop
