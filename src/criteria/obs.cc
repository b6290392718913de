// criteria/obs.cc -- Optimal Brain Surgeon for whole units: the least squared error of the half
// layer's output without a unit when all others are updated, 0.5 tr(W_u A_uu^-1 W_u^T) with A = (G
// + damping * mean(diag G) I)^-1 and G the second moments of the inputs.
#include "criteria/moment_scores.h"
#include "criteria/registry.h"
#include "solve/elimination.h"
#include "solve/least_squares.h"

namespace mop {
namespace {

at::Tensor score(const MomentInput& in) {
  const HalfLayerMoments& moments = in.moments;
  return removal_costs({.gram_KK = moments.gram_KK.cpu(),
                        .weights_DK = in.weights_DK,
                        .unit = inputs_of_unit(in.shape, moments.half),
                        .damping = damping_or_default(in.options.get(kDamping), moments.tokens,
                                                      moments.gram_KK.size(0))});
}

constexpr const char* kSource =
    "Optimal Brain Surgeon (NIPS 1992) on columns: arXiv 2312.17244, equation 7";

}  // namespace

Criterion obs_heads() {
  return {.name = "obs-heads",
          .summary = "squared error without a KV group after updating all other channels",
          .unit = UnitKind::kKvGroup,
          .score_moments = score,
          .source = kSource,
          .options = {kDamping}};
}

Criterion obs_neurons() {
  return {.name = "obs-neurons",
          .summary = "squared error without a neuron after updating all others",
          .unit = UnitKind::kNeuron,
          .score_moments = score,
          .source = kSource,
          .options = {kDamping}};
}

}  // namespace mop
