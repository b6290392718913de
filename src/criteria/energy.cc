// criteria/energy.cc -- the mean square of what a unit adds to the residual stream, |W_u x_u|^2:
// the error of the half layer's output without it, nothing repaired.
#include <ATen/ATen.h>

#include "criteria/columns.h"
#include "criteria/registry.h"

namespace mop {
namespace {

at::Tensor score_heads(const ScoreInput& in) {
  return in.stats.mean(Stat::kGroupOutputSquare, in.shape.kv_heads);
}

at::Tensor score_neurons(const ScoreInput& in) {
  return column_norms(in.weights[Role::kDown], 2).square() *
         in.stats.mean(Stat::kNeuronSquare, in.shape.mlp);
}

constexpr const char* kSource = "squared error of the half layer's output";

}  // namespace

Criterion energy_heads() {
  return {.name = "energy-heads",
          .summary = "mean square of what a KV group adds to the residual stream",
          .unit = UnitKind::kKvGroup,
          .needs = {Stat::kGroupOutputSquare},
          .score = score_heads,
          .reads_weights = false,
          .source = kSource};
}

Criterion energy_neurons() {
  return {.name = "energy-neurons",
          .summary = "mean square of what a neuron adds to the residual stream",
          .unit = UnitKind::kNeuron,
          .needs = {Stat::kNeuronSquare},
          .score = score_neurons,
          .source = kSource};
}

}  // namespace mop
