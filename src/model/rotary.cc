// model/rotary.cc -- tables of the rotary position encoding, in the order of operations and the
// precision of transformers, whose results differ visibly from those of higher precision.
#include <ATen/ATen.h>

#include <numbers>

#include "model/forward.h"
#include "tensor/dtype.h"
#include "tensor/upload.h"

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

at::Tensor positions(const Packing& packing, DType dtype) {
  at::Tensor position_N = at::empty({packing.tokens()}, at::kLong);
  int64_t* out = position_N.mutable_data_ptr<int64_t>();
  for (size_t s = 0; s < packing.lengths.size(); ++s) {
    const int64_t start = packing.starts.empty() ? 0 : packing.starts[s];
    for (int64_t t = 0; t < packing.lengths[s]; ++t) *out++ = start + t;
  }
  return position_N.to(dtype);
}

// cos and sin of positions_N (float32, CPU), [2, N, E] in `dtype`.
at::Tensor turns(const ModelConfig& config, const at::Tensor& positions_N, DType dtype) {
  const int64_t head_dim = config.layers.empty() ? 0 : config.layers.front().head_dim;
  const at::Tensor angle_NF =
      positions_N.unsqueeze(1) * frequencies(config.rope, head_dim).unsqueeze(0);
  const at::Tensor angle_NE = at::cat({angle_NF, angle_NF}, 1);
  return at::stack({angle_NE.cos(), angle_NE.sin()}).to(dtype);
}

// One position behind the last that the packing has.
int64_t end_of(const Packing& packing) {
  int64_t end = 1;
  for (size_t s = 0; s < packing.lengths.size(); ++s) {
    end = std::max(end, (packing.starts.empty() ? 0 : packing.starts[s]) + packing.lengths[s]);
  }
  return end;
}

// The turns of positions 0, 1, ... on the device, [2, P, E] with P >= `end`. Made once.
at::Tensor table_on_device(const ModelConfig& config, int64_t end, const Compute& compute) {
  const RopeConfig& rope = config.rope;
  int64_t length = 1024;
  while (length < end) length *= 2;
  const std::string name =
      fmt::format("rotary {} {} {} {} {} {} {} of {} to {}", rope.type, rope.theta, rope.factor,
                  rope.low_freq_factor, rope.high_freq_factor, rope.original_context,
                  config.layers.empty() ? 0 : config.layers.front().head_dim,
                  dtype_name(compute.dtype), length);
  return compute.store->constant(name, [&] {
    return turns(config, at::arange(length, at::kLong).to(at::kFloat), compute.dtype);
  });
}

// The packing's rows of the table: a view where they follow each other.
at::Tensor rows_of(const at::Tensor& table_2PE, const Packing& packing) {
  const int64_t start = packing.starts.empty() ? 0 : packing.starts.front();
  if (packing.lengths.size() == 1) return table_2PE.narrow(1, start, packing.lengths.front());
  return table_2PE.index_select(1, upload(positions(packing, at::kInt), table_2PE.device()));
}

}  // namespace

std::pair<at::Tensor, at::Tensor> rotary(const ModelConfig& config, const Packing& packing,
                                         const Compute& compute) {
  if (compute.store == nullptr) {
    const at::Tensor turns_2NE = turns(config, positions(packing, at::kFloat), compute.dtype);
    return {turns_2NE[0].to(compute.device), turns_2NE[1].to(compute.device)};
  }
  const at::Tensor turns_2NE = rows_of(table_on_device(config, end_of(packing), compute), packing);
  return {turns_2NE[0], turns_2NE[1]};
}

}  // namespace mop
