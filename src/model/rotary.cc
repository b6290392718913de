// model/rotary.cc -- tables of the rotary position encoding, in the order of operations and the
// precision of transformers, whose results differ visibly from those of higher precision.
#include <ATen/ATen.h>

#include <numbers>

#include "model/forward.h"

namespace mop {
namespace {

// Llama 3.1: long waves are slowed by `factor`, short ones stay, those between are blended.
at::Tensor llama3_frequencies(const at::Tensor& frequency_F, const RopeConfig& rope) {
  const double context = static_cast<double>(rope.original_context);
  const at::Tensor wavelength_F = 2 * std::numbers::pi / frequency_F;
  const at::Tensor slowed_F = at::where(wavelength_F.gt(context / rope.low_freq_factor),
                                        frequency_F / rope.factor, frequency_F);
  const at::Tensor smooth_F = (context / wavelength_F - rope.low_freq_factor) /
                              (rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor blended_F = (1 - smooth_F) * slowed_F / rope.factor + smooth_F * slowed_F;
  const at::Tensor between_F = wavelength_F.ge(context / rope.high_freq_factor)
                                   .logical_and(wavelength_F.le(context / rope.low_freq_factor));
  return at::where(between_F, blended_F, slowed_F);
}

// Radians per token of each pair of coordinates, [E / 2] float32.
at::Tensor frequencies(const RopeConfig& rope, int64_t head_dim) {
  const at::Tensor exponent_F =
      at::arange(0, head_dim, 2, at::TensorOptions().dtype(at::kLong)).to(at::kFloat) /
      static_cast<double>(head_dim);
  const at::Tensor frequency_F = at::pow(rope.theta, exponent_F).reciprocal();
  if (rope.type == "linear") return frequency_F / rope.factor;
  return rope.type == "llama3" ? llama3_frequencies(frequency_F, rope) : frequency_F;
}

at::Tensor positions(const Packing& packing) {
  at::Tensor position_N = at::empty({packing.tokens()}, at::kFloat);
  float* out = position_N.mutable_data_ptr<float>();
  for (size_t s = 0; s < packing.lengths.size(); ++s) {
    const int64_t start = packing.starts.empty() ? 0 : packing.starts[s];
    for (int64_t t = 0; t < packing.lengths[s]; ++t) *out++ = static_cast<float>(start + t);
  }
  return position_N;
}

}  // namespace

std::pair<at::Tensor, at::Tensor> rotary(const ModelConfig& config, const Packing& packing,
                                         const Compute& compute) {
  const int64_t head_dim = config.layers.empty() ? 0 : config.layers.front().head_dim;
  const at::Tensor angle_NF =
      positions(packing).unsqueeze(1) * frequencies(config.rope, head_dim).unsqueeze(0);
  const at::Tensor angle_NE = at::cat({angle_NF, angle_NF}, 1);
  return {angle_NE.cos().to(compute.device, compute.dtype),
          angle_NE.sin().to(compute.device, compute.dtype)};
}

}  // namespace mop
