// criteria/loss_scores.h -- scores from losses of changed layers.
#pragma once
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "criteria/criterion.h"

namespace mop {

/// Scores of every layer by the criteria among `criteria` that are scored by losses: by name, a
/// tensor a layer, empty where it has no such units. `stats` holds what they need; `settings` are
/// the criteria's sections. Throws as `score_layers` does.
std::map<std::string, std::vector<at::Tensor>> score_losses(
    const Model& model, const Compute& compute, const TokenSamples& samples,
    std::span<const std::string> criteria, std::span<const LayerStats> stats,
    const std::map<std::string, Options>& settings, Progress& progress);

/// Visits the layers of `config`, with samples in batches of this size (stats/layer_losses.h).
using LossWalk = std::function<void(
    int64_t batch_samples, const std::function<void(int64_t layer, LayerLosses& losses)>& visit)>;

/// The same of layers that `walk` visits; nothing is visited where no criterion asks for it.
std::map<std::string, std::vector<at::Tensor>> score_losses(
    const ModelConfig& config, const LossWalk& walk, std::span<const std::string> criteria,
    std::span<const LayerStats> stats, const std::map<std::string, Options>& settings);

}  // namespace mop
