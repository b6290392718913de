// criteria/gates.cc -- gradients of the loss with respect to unit gates. The gradient is the sum of
// weight times gradient over the unit's columns (first-order Taylor, LLM-Pruner, arXiv 2305.11627);
// its mean square over prompts is the Fisher information of the gate.
#include <ATen/ATen.h>

#include "criteria/registry.h"

namespace mop {
namespace {

at::Tensor taylor_of_heads(const ScoreInput& in) {
  return in.stats.mean(Stat::kGroupGate, in.shape.kv_heads).abs();
}
at::Tensor taylor_of_neurons(const ScoreInput& in) {
  return in.stats.mean(Stat::kNeuronGate, in.shape.mlp).abs();
}
at::Tensor fisher_of_heads(const ScoreInput& in) {
  return in.stats.mean(Stat::kGroupGateSquare, in.shape.kv_heads);
}
at::Tensor fisher_of_neurons(const ScoreInput& in) {
  return in.stats.mean(Stat::kNeuronGateSquare, in.shape.mlp);
}

// A layer's score is the sum over its units.
at::Tensor taylor_of_layer(const ScoreInput& in) {
  at::Tensor sum = at::zeros({1}, at::kDouble);
  if (in.shape.heads > 0) sum += taylor_of_heads(in).sum();
  if (in.shape.mlp > 0) sum += taylor_of_neurons(in).sum();
  return sum;
}

Criterion row(std::string name, std::string summary, UnitKind unit, std::vector<Stat> needs,
              std::string source, at::Tensor (*score)(const ScoreInput&),
              std::vector<int> deviations) {
  return {.name = std::move(name),
          .summary = std::move(summary),
          .unit = unit,
          .needs = std::move(needs),
          .score = score,
          .reads_weights = false,
          .source = std::move(source),
          .deviations = std::move(deviations)};
}

constexpr const char* kTaylor = "LLM-Pruner, arXiv 2305.11627, by gates";
constexpr const char* kFisher = "Fisher information of gates, arXiv 2204.09656";
constexpr const char* kLayers = "Shortened LLaMA, arXiv 2402.02834, Taylor, by gates";

}  // namespace

Criterion taylor_heads() {
  return row("taylor-heads", "|gradient of the loss with respect to a gate on the KV group|",
             UnitKind::kKvGroup, {Stat::kGroupGate}, kTaylor, taylor_of_heads, {18, 21});
}
Criterion taylor_neurons() {
  return row("taylor-neurons", "|gradient of the loss with respect to a gate on the neuron|",
             UnitKind::kNeuron, {Stat::kNeuronGate}, kTaylor, taylor_of_neurons, {21});
}
Criterion fisher_heads() {
  return row("fisher-heads", "mean square over prompts of the gradient of a gate on the KV group",
             UnitKind::kKvGroup, {Stat::kGroupGateSquare}, kFisher, fisher_of_heads, {18});
}
Criterion fisher_neurons() {
  return row("fisher-neurons", "mean square over prompts of the gradient of a gate on the neuron",
             UnitKind::kNeuron, {Stat::kNeuronGateSquare}, kFisher, fisher_of_neurons, {});
}
Criterion taylor_layers() {
  return row("taylor-layers", "sum of |gate gradient| over the layer's KV groups and neurons",
             UnitKind::kLayer, {Stat::kGroupGate, Stat::kNeuronGate}, kLayers, taylor_of_layer,
             {22, 23});
}

}  // namespace mop
