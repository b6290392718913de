// criteria/loss_scores.h -- scores from losses of the model with a changed layer.
#pragma once
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "criteria/criterion.h"

namespace mop {

/// Scores every layer by those of `criteria` that use losses: by name, one tensor per layer, empty
/// for layers without such units. `stats` holds the statistics they need; `settings` are the
/// criteria's sections. Throws as `score_layers` does.
std::map<std::string, std::vector<at::Tensor>> score_losses(
    const Model& model, const Compute& compute, const TokenSamples& samples,
    std::span<const std::string> criteria, std::span<const LayerStats> stats,
    const std::map<std::string, Options>& settings, Progress& progress);

/// Visits the layers of a model, with samples in batches of this size (stats/layer_losses.h).
using LossWalk = std::function<void(
    int64_t batch_samples, const std::function<void(int64_t layer, LayerLosses& losses)>& visit)>;

/// The same for layers that `walk` visits; `walk` is not called if no criterion uses losses.
std::map<std::string, std::vector<at::Tensor>> score_losses(
    const ModelConfig& config, const LossWalk& walk, std::span<const std::string> criteria,
    std::span<const LayerStats> stats, const std::map<std::string, Options>& settings);

}  // namespace mop
