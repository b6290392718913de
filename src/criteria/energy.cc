// criteria/energy.cc -- mean square of a unit's addition to the residual stream, |W_u x_u|^2: the
// squared error of the half layer's output without the unit, with no repair.
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

// A channel's share of the output energy of the projections that read it.
at::Tensor share_D(const ScoreInput& in, Stat squares, std::initializer_list<Role> readers) {
  at::Tensor energy_D = at::zeros({in.config.hidden}, at::kDouble);
  for (const Role role : readers) energy_D += column_norms(in.weights[role], 2).square();
  energy_D *= in.stats.mean(squares, in.config.hidden);
  return energy_D / energy_D.sum().clamp_min(1e-300);
}

at::Tensor score_channels(const ScoreInput& in) {
  at::Tensor sum_D = at::zeros({in.config.hidden}, at::kDouble);
  if (in.shape.heads > 0) {
    sum_D += share_D(in, Stat::kAttentionChannelSquare, {Role::kQuery, Role::kKey, Role::kValue});
  }
  if (in.shape.mlp > 0) sum_D += share_D(in, Stat::kMlpChannelSquare, {Role::kGate, Role::kUp});
  return sum_D;
}

constexpr const char* kSource = "squared error of the half layer's output";

}  // namespace

Criterion energy_heads() {
  return {.name = "energy-heads",
          .summary = "mean square of a KV group's addition to the residual stream",
          .unit = UnitKind::kKvGroup,
          .needs = {Stat::kGroupOutputSquare},
          .score = score_heads,
          .reads_weights = false,
          .source = kSource};
}

Criterion energy_neurons() {
  return {.name = "energy-neurons",
          .summary = "mean square of a neuron's addition to the residual stream",
          .unit = UnitKind::kNeuron,
          .needs = {Stat::kNeuronSquare},
          .score = score_neurons,
          .source = kSource};
}

Criterion energy_hidden() {
  return {
      .name = "energy-hidden",
      .summary = "a hidden channel's share of the output energy of the projections that read it",
      .unit = UnitKind::kChannel,
      .needs = {Stat::kAttentionChannelSquare, Stat::kMlpChannelSquare},
      .score = score_channels,
      .source = "this project, docs/method.md"};
}

}  // namespace mop
