// criteria/loss_scores.cc
#include "criteria/loss_scores.h"

#include <ATen/ops/empty.h>

#include "base/error.h"

namespace mop {
namespace {

constexpr int64_t kBatchSamples = 8;  // ECoFLaP's

}  // namespace

std::map<std::string, std::vector<at::Tensor>> score_losses(
    const Model& model, const Compute& compute, const TokenSamples& samples,
    std::span<const std::string> criteria, std::span<const LayerStats> stats,
    const std::map<std::string, Options>& settings, Progress& progress) {
  std::map<std::string, std::vector<at::Tensor>> scores;
  for (const std::string& name : criteria) {
    if (find_criterion(name).score_losses != nullptr) scores[name] = {};
  }
  if (scores.empty()) return scores;
  const ModelConfig& config = model.config();
  const auto visit = [&](int64_t layer, LayerLosses& losses) {
    const LayerShape& shape = config.layers[static_cast<size_t>(layer)];
    for (auto& [name, of_layers] : scores) {
      const Criterion& criterion = find_criterion(name);
      const int64_t units = num_units(criterion.unit, shape);
      const auto section = settings.find(name);
      const Options options = section == settings.end() ? Options() : section->second;
      of_layers.push_back(
          units == 0
              ? at::empty({0}, at::kDouble)
              : checked_scores(criterion,
                               criterion.score_losses({losses, stats[static_cast<size_t>(layer)],
                                                       config, shape, options, layer}),
                               units, layer));
    }
  };
  walk_layer_losses(model, compute, samples, kBatchSamples, visit, progress);
  return scores;
}

}  // namespace mop
