// criteria/ecoflap.cc -- ECoFLaP (arXiv 2310.02998): slope of the loss along random directions of a
// layer's weights, by finite differences without a backward pass.
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

const Option<double> kEps = {.name = "eps",
                             .default_value = 1e-3,
                             .range = above(0),
                             .help = "step size of the finite difference"};
const Option<int64_t> kNoises = {.name = "noises",
                                 .default_value = 1,
                                 .range = at_least(1),
                                 .help = "random directions per matrix and batch"};
const Option<int64_t> kSeed = {
    .name = "seed", .unset = "the run's seed", .help = "seed of the random directions"};

// Standard normal, float32. Regenerated from (seed, stream) instead of being stored.
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

// Sum over the layer's matrices of the mean over batches and directions.
at::Tensor score(const LossInput& in) {
  const double step = in.options.get(kEps);
  const int64_t noises = in.options.get(kNoises);
  const auto seed = static_cast<uint64_t>(in.options.get(kSeed, 0));
  const int64_t batches = in.losses.batches();
  double sum = 0;
  for (const Role role : matrices(in.config, in.shape)) {
    const int64_t tensor = in.layer * static_cast<int64_t>(kNumRoles) + static_cast<int64_t>(role);
    for (int64_t draw = 0; draw < noises * batches; ++draw) {
      const auto stream = static_cast<uint64_t>((tensor << 32) + draw);
      const at::Tensor z = direction(in.losses.weights()[role], seed, stream);
      sum += slope(in.losses, draw % batches, role, step, z);
    }
  }
  return at::full({1}, sum / static_cast<double>(noises * batches), at::kDouble);
}

int64_t two_of_each_noise(const Options& options, const ModelConfig& config,
                          const LayerShape& shape) {
  return 2 * options.get(kNoises) * std::ssize(matrices(config, shape));
}

}  // namespace

Criterion ecoflap_layers() {
  return {.name = "ecoflap-layers",
          .summary =
              "slope of the loss along random directions of the layer's matrices, without a "
              "backward pass",
          .unit = UnitKind::kLayer,
          .reads_weights = false,
          .draws = true,
          .source = "ECoFLaP, arXiv 2310.02998, zeroth-order gradients",
          .options = {kEps, kNoises, kSeed},
          .deviations = {34},
          .score_losses = score,
          .num_losses = two_of_each_noise};
}

}  // namespace mop
