// criteria/ecoflap.cc -- ECoFLaP (arXiv 2310.02998): how steep the loss is along random directions
// of a layer's weights, by differences of losses: no backward pass.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "criteria/registry.h"
#include "model/family.h"
#include "tensor/upload.h"

namespace mop {
namespace {

struct Settings {
  double step;
  int64_t noises;
  uint64_t seed;
};

Settings read_settings(const Options& options) {
  const Settings settings = {options.number("eps", 1e-3), options.integer("noises", 1),
                             static_cast<uint64_t>(options.integer("seed", 0))};
  if (settings.step > 0 && settings.noises > 0) return settings;
  throw usage_error("ecoflap-layers.eps and ecoflap-layers.noises must be above 0");
}

// Standard normal, float32. The same stream gives the same direction, so none is kept.
at::Tensor direction(const at::Tensor& like, uint64_t seed, uint64_t stream) {
  const at::Generator source = at::detail::createCPUGenerator(Random(seed, stream).bits());
  return upload(at::empty(like.sizes(), at::kFloat).normal_(0, 1, source), like.device());
}

// |loss(W + step z) - loss(W - step z)| / (2 step)
double slope(LayerLosses& losses, int64_t batch, Role role, double step, const at::Tensor& z) {
  const at::Tensor& weight = losses.weights()[role];
  LayerWeights changed = losses.weights();
  const auto loss_at = [&](double distance) {
    changed[role] = (weight.to(at::kFloat) + distance * z).to(weight.scalar_type());
    return losses.loss(batch, changed);
  };
  return std::abs(loss_at(step) - loss_at(-step)) / (2 * step);
}

std::vector<Role> matrices(const ModelConfig& config, const LayerShape& shape) {
  std::vector<Role> roles;
  for (const LayerTensor* tensor : tensors_of_layer(config, shape)) {
    if (tensor->axes.size() == 2) roles.push_back(tensor->role);
  }
  return roles;
}

// The sum over the layer's matrices, mean over batches and directions.
at::Tensor score(const LossInput& in) {
  const Settings settings = read_settings(in.options);
  const int64_t batches = in.losses.batches();
  double sum = 0;
  for (const Role role : matrices(in.config, in.shape)) {
    const int64_t tensor = in.layer * static_cast<int64_t>(kNumRoles) + static_cast<int64_t>(role);
    for (int64_t draw = 0; draw < settings.noises * batches; ++draw) {
      const auto stream = static_cast<uint64_t>((tensor << 32) + draw);
      const at::Tensor z = direction(in.losses.weights()[role], settings.seed, stream);
      sum += slope(in.losses, draw % batches, role, settings.step, z);
    }
  }
  return at::full({1}, sum / static_cast<double>(settings.noises * batches), at::kDouble);
}

int64_t two_each(const ModelConfig& config, const LayerShape& shape) {
  return 2 * std::ssize(matrices(config, shape));
}

}  // namespace

Criterion ecoflap_layers() {
  return {.name = "ecoflap-layers",
          .summary =
              "slope of the loss along random directions of the layer's matrices, no "
              "backward pass",
          .unit = UnitKind::kLayer,
          .reads_weights = false,
          .draws = true,
          .source = "ECoFLaP, arXiv 2310.02998, zeroth-order gradients",
          .score_losses = score,
          .num_losses = two_each};
}

}  // namespace mop
