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

struct CurveSettings {
  /// Ridge of the inputs' second moments, as a fraction of their mean; 0 = 0.01, or 0.1 where there
  /// are fewer than 50 tokens for each input.
  double damping = 0;
  /// Weighs what a half layer sends on by the gradient of the loss; false spares the backward pass
  /// and takes the square of the error, which layers of different depths share only roughly.
  bool gradients = true;
  /// Whole halves, too: `without_attention` and `without_mlp`. They take the gradients.
  bool halves = false;
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
