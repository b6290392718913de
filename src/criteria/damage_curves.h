// criteria/damage_curves.h -- predicted increase of the next-token loss, in nats, as a function of
// the number of units removed from a half layer; comparable between all layers.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "base/progress.h"
#include "model/model.h"
#include "model/weights.h"
#include "solve/elimination.h"
#include "text/samples.h"

namespace mop {

/// Settings of trained gates: see criteria/trained_gates.h.
struct GateTraining {
  int64_t steps = 200;
  double learning_rate = 0.1;
  int64_t batch_tokens = 2048;
  uint64_t seed = 0;
  double budget = 0;  ///< the cost to be removed, in the target's currency
  /// Cost of a KV group and of a neuron, per layer, in the target's currency.
  std::vector<double> group_prices = {}, neuron_prices = {};
  bool operator==(const GateTraining&) const = default;
};

struct CurveSettings {
  /// Ridge of the inputs' second moments as a fraction of their mean diagonal; 0 = 0.01, or 0.1
  /// with fewer than 50 tokens per input.
  double damping = 0;
  /// Weights the error of a half layer's output by the gradient of the loss. false: no backward
  /// pass; the squared error is used, which is only roughly comparable between depths.
  bool gradients = true;
  /// Also compute `without_attention` and `without_mlp`. Requires `gradients`.
  bool halves = false;
  /// If set, the curves come from trained gates and the settings above are ignored.
  std::optional<GateTraining> gates = std::nullopt;
  bool operator==(const CurveSettings&) const = default;
};

/// The curves of one layer; a missing half has no units.
struct LayerCurves {
  DamageCurve
      kv_groups;  ///< units are KV heads with their query heads, indices in the current layer
  DamageCurve neurons;
  /// Damage of removing a complete half if the projection before it is solved to compensate for it,
  /// as repair with look-ahead does. Not set for the model's first half, which has no projection
  /// before it, or if not requested.
  std::optional<double> without_attention, without_mlp;
};

/// Computes the curves of all layers from one forward and backward pass over the samples: K-FAC's
/// approximation of the loss (Kronecker factors G of the input of o_proj or down_proj, and Gamma of
/// the gradient at its output) under greedy elimination of one unit at a time, where the remaining
/// weights are updated optimally after each step. Source: LLM Surgeon (arXiv 2312.17244), Optimal
/// Brain Surgeon. Memory: one layer's matrices; hidden states between layers are stored in files in
/// `scratch`. Throws Error(kUsage) without samples.
std::vector<LayerCurves> damage_curves(const Model& model, const Compute& compute,
                                       const TokenSamples& samples, const CurveSettings& settings,
                                       const std::filesystem::path& scratch, Progress& progress);

}  // namespace mop
