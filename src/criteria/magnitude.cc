// criteria/magnitude.cc -- data-free control: the L2 norm of a unit's weights. The family's table
// gives the rows and columns of a unit. Shape letters: U units.
#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>

#include "base/error.h"
#include "criteria/registry.h"
#include "model/family.h"

namespace mop {
namespace {

bool belongs(Axis axis, UnitKind unit) {
  if (unit == UnitKind::kNeuron) return axis == Axis::kMlp;
  if (unit == UnitKind::kChannel) return axis == Axis::kHidden;
  return axis == Axis::kQuery || axis == Axis::kKeyValue;
}

// Sums the squares of one tensor per unit of `axis`: [..., units * k, ...] -> [units].
at::Tensor squares_U(const at::Tensor& weight, int64_t axis, int64_t units) {
  const at::Tensor rows = weight.movedim(axis, 0).reshape({units, -1});
  return rows.to(at::kDouble).square().sum(1);
}

// The same on a device, where float64 is slow: float32 sums along the other axis, then float64.
at::Tensor squares_on_device_U(const at::Tensor& weight, int64_t axis, int64_t units) {
  const at::Tensor norms =
      weight.dim() == 1
          ? weight.to(at::kDouble)
          : at::linalg_vector_norm(weight, 2, 1 - axis, false, at::kFloat).to(at::kDouble);
  return norms.square().view({units, -1}).sum(1);
}

template <UnitKind kUnit>
at::Tensor norms(const ScoreInput& in) {
  const int64_t units = num_units(kUnit, in.config, in.shape);
  at::Tensor sum_U = at::zeros({units}, at::kDouble), on_device_U;
  for (const LayerTensor* tensor : tensors_of_layer(in.config, in.shape)) {
    for (size_t axis = 0; axis < tensor->axes.size(); ++axis) {
      if (!belongs(tensor->axes[axis], kUnit)) continue;
      const at::Tensor& weight = in.weights[tensor->role];
      if (weight.is_cpu()) {
        sum_U += squares_U(weight, static_cast<int64_t>(axis), units);
        continue;
      }
      const at::Tensor squares_U = squares_on_device_U(weight, static_cast<int64_t>(axis), units);
      on_device_U = on_device_U.defined() ? on_device_U + squares_U : squares_U;
    }
  }
  if (on_device_U.defined()) sum_U = on_device_U.cpu();
  return sum_U.sqrt();
}

}  // namespace

Criterion magnitude_heads() {
  return {.name = "magnitude-heads",
          .summary = "L2 norm of a KV group's weights (control, needs no data)",
          .unit = UnitKind::kKvGroup,
          .score = norms<UnitKind::kKvGroup>,
          .source = "a control"};
}

Criterion magnitude_neurons() {
  return {.name = "magnitude-neurons",
          .summary = "L2 norm of a neuron's weights (control, needs no data)",
          .unit = UnitKind::kNeuron,
          .score = norms<UnitKind::kNeuron>,
          .source = "a control"};
}

Criterion magnitude_hidden() {
  return {.name = "magnitude-hidden",
          .summary = "L2 norm of a hidden channel's weights in the layer (control, needs no data)",
          .unit = UnitKind::kChannel,
          .score = norms<UnitKind::kChannel>,
          .source = "a control"};
}

}  // namespace mop
