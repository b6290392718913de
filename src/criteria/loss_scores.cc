// criteria/loss_scores.cc
#include "criteria/loss_scores.h"

#include <ATen/ops/empty.h>

#include "base/error.h"

namespace mop {
namespace {

constexpr int64_t kBatchSamples = 8;  // as in ECoFLaP

}  // namespace

std::map<std::string, std::vector<at::Tensor>> score_losses(
    const ModelConfig& config, const LossWalk& walk, std::span<const std::string> criteria,
    std::span<const LayerStats> stats, const std::map<std::string, Options>& settings) {
  std::map<std::string, std::vector<at::Tensor>> scores;
  for (const std::string& name : criteria) {
    if (find_criterion(name).score_losses != nullptr) scores[name] = {};
  }
  if (scores.empty()) return scores;
  const auto visit = [&](int64_t layer, LayerLosses& losses) {
    const LayerShape& shape = config.layers[static_cast<size_t>(layer)];
    for (auto& [name, of_layers] : scores) {
      const Criterion& criterion = find_criterion(name);
      const int64_t units = num_units(criterion.unit, shape);
      const Options options = section_of(settings, name);
      of_layers.push_back(
          units == 0
              ? at::empty({0}, at::kDouble)
              : checked_scores(criterion,
                               criterion.score_losses({losses, stats[static_cast<size_t>(layer)],
                                                       config, shape, options, layer}),
                               units, layer));
    }
  };
  walk(kBatchSamples, visit);
  return scores;
}

std::map<std::string, std::vector<at::Tensor>> score_losses(
    const Model& model, const Compute& compute, const TokenSamples& samples,
    std::span<const std::string> criteria, std::span<const LayerStats> stats,
    const std::map<std::string, Options>& settings, Progress& progress) {
  const LossWalk walk = [&](int64_t batch_samples, const auto& visit) {
    walk_layer_losses(model, compute, samples, batch_samples, visit, progress);
  };
  return score_losses(model.config(), walk, criteria, stats, settings);
}

}  // namespace mop
