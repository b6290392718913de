// criteria/damage_curves.h -- what removing units is predicted to cost, in one currency for all
// layers: the loss of the next token, in nats.
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

/// Gates that are trained instead: see criteria/trained_gates.h.
struct GateTraining {
  int64_t steps = 200;
  double learning_rate = 0.1;
  int64_t batch_tokens = 2048;
  uint64_t seed = 0;
  double budget = 0;  ///< the price of what should go
  /// Of a KV group and of a neuron, for every layer, in the budget's currency.
  std::vector<double> group_prices = {}, neuron_prices = {};
  bool operator==(const GateTraining&) const = default;
};

struct CurveSettings {
  /// Ridge of the inputs' second moments, as a fraction of their mean; 0 = 0.01, or 0.1 where there
  /// are fewer than 50 tokens for each input.
  double damping = 0;
  /// Weighs what a half layer sends on by the gradient of the loss; false spares the backward pass
  /// and takes the square of the error, which layers of different depths share only roughly.
  bool gradients = true;
  /// Whole halves, too: `without_attention` and `without_mlp`. They take the gradients.
  bool halves = false;
  /// Curves of trained gates; the settings above have no meaning then.
  std::optional<GateTraining> gates = std::nullopt;
  bool operator==(const CurveSettings&) const = default;
};

/// One layer's; a half that is not there has no units.
struct LayerCurves {
  DamageCurve kv_groups;  ///< a KV head with its query heads, positions in the current layer
  DamageCurve neurons;
  /// What it costs that a half goes whole and the matrix before it takes over what the half added,
  /// as repair with look-ahead has it. Not there for a model's first half, before which there is no
  /// matrix, and where it was not asked for.
  std::optional<double> without_attention, without_mlp;
};

/// The curves of all layers from one pass over the samples, forward and backward: K-FAC's
/// approximation of the loss (Kronecker factors G of the input of o_proj or down_proj, and Gamma of
/// the gradient behind it) under elimination one by one, the rest repaired exactly each time:
/// LLM Surgeon (arXiv 2312.17244), Optimal Brain Surgeon. One layer's matrices are in memory; what
/// flows between layers lies in files of `scratch`. Throws Error(kUsage) without samples.
std::vector<LayerCurves> damage_curves(const Model& model, const Compute& compute,
                                       const TokenSamples& samples, const CurveSettings& settings,
                                       const std::filesystem::path& scratch, Progress& progress);

}  // namespace mop
