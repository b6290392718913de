// solve/hard_concrete.cc
#include "solve/hard_concrete.h"

#include <ATen/ATen.h>

#include <cmath>

namespace mop {

GateSample sample_gates(const at::Tensor& logits_U, const at::Tensor& uniform_U,
                        const HardConcrete& shape) {
  const at::Tensor s_U = at::sigmoid((at::logit(uniform_U) + logits_U) / shape.temperature);
  const double range = shape.high - shape.low;
  const at::Tensor stretched_U = s_U * range + shape.low;
  const at::Tensor between_U = at::logical_and(stretched_U > 0, stretched_U < 1);
  return {stretched_U.clamp(0, 1), s_U * (1 - s_U) * (range / shape.temperature) * between_U};
}

GateSample open_probability(const at::Tensor& logits_U, const HardConcrete& shape) {
  const at::Tensor open_U =
      at::sigmoid(logits_U - shape.temperature * std::log(-shape.low / shape.high));
  return {open_U, open_U * (1 - open_U)};
}

}  // namespace mop
