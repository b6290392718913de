// criteria/moment_scores.cc
#include "criteria/moment_scores.h"

#include <ATen/ops/empty.h>

#include "base/error.h"
#include "model/family.h"

namespace mop {

at::Tensor last_projection(const Model& model, int64_t layer, Half half) {
  const ModelConfig& config = model.config();
  const Role role = half == Half::kMlp ? Role::kDown : Role::kOutput;
  const LayerTensor* tensor =
      tensor_of_role(config, config.layers[static_cast<size_t>(layer)], role);
  if (tensor == nullptr)
    throw internal_error("layer {} has no output projection for its units", layer);
  return stored_tensor(model, layer, *tensor);
}

int64_t inputs_of_unit(const LayerShape& shape, Half half) {
  return half == Half::kMlp ? 1 : shape.group() * shape.head_dim;
}

std::map<std::string, std::vector<at::Tensor>> score_moments(
    const Model& model, const Compute& compute, const TokenSamples& samples,
    std::span<const std::string> criteria, const std::map<std::string, Options>& settings,
    const std::filesystem::path& scratch, Progress& progress) {
  std::map<std::string, std::vector<at::Tensor>> scores;
  for (const std::string& name : criteria) {
    if (find_criterion(name).score_moments == nullptr) continue;
    scores[name].assign(model.layers().size(), at::empty({0}, at::kDouble));
  }
  if (scores.empty()) return scores;
  const auto visit = [&](const HalfLayerMoments& moments) {
    const LayerShape& shape = model.config().layers[static_cast<size_t>(moments.layer)];
    for (auto& [name, of_layers] : scores) {
      const Criterion& criterion = find_criterion(name);
      const bool mlp = criterion.unit == UnitKind::kNeuron;
      if (mlp != (moments.half == Half::kMlp)) continue;
      const Options options = section_of(settings, name);
      const at::Tensor weights_DK = last_projection(model, moments.layer, moments.half);
      of_layers[static_cast<size_t>(moments.layer)] =
          checked_scores(criterion, criterion.score_moments({moments, weights_DK, shape, options}),
                         num_units(criterion.unit, shape), moments.layer);
    }
  };
  walk_half_layer_moments(model, compute, samples, scratch, visit, progress, {.gradients = false});
  return scores;
}

}  // namespace mop
