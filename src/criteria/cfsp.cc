// criteria/cfsp.cc -- CFSP (arXiv 2409.13199): layers by the angle between input and output
// (coarse), neurons by activation times relative weight (fine). In the released code the relative
// weights of each of the three matrices are normalised to sum to 1 over a column and then averaged,
// so they cancel and only the norm of the activation remains; `relative: false` omits the
// normalisation.
#include <ATen/ATen.h>

#include "criteria/columns.h"
#include "criteria/registry.h"

namespace mop {
namespace {

const Option<bool> kRelative = {
    .name = "relative",
    .default_value = true,
    .help = "normalise weights by column as in the released code, where they cancel"};

at::Tensor row_l1(const at::Tensor& weight_ID) {
  return at::linalg_vector_norm(weight_ID, 1, 1, false, at::kFloat).to(at::kCPU, at::kDouble);
}

at::Tensor score_neurons(const ScoreInput& in) {
  const at::Tensor rms_I = input_rms(in, Half::kMlp);
  const auto hidden = static_cast<double>(in.config.hidden);
  if (in.options.get(kRelative)) return rms_I * (3 / hidden);
  at::Tensor weights_I =
      column_norms(in.weights[Role::kDown], 1) * rms_I + row_l1(in.weights[Role::kUp]);
  // A vision tower's MLP has no gate.
  if (const at::Tensor& gate_ID = in.weights[Role::kGate]; gate_ID.defined())
    weights_I += row_l1(gate_ID);
  return weights_I * rms_I / hidden;
}

at::Tensor score_layer(const ScoreInput& in) { return in.stats.mean(Stat::kLayerAngle, 1); }

}  // namespace

Criterion cfsp_neurons() {
  return {.name = "cfsp-neurons",
          .summary = "norm of the activation, which CFSP's relative weights reduce to (fine)",
          .unit = UnitKind::kNeuron,
          .needs = {Stat::kNeuronSquare},
          .score = score_neurons,
          .source = "CFSP, arXiv 2409.13199, released code: three_w_one_wa",
          .options = {kRelative},
          .deviations = {17, 24}};
}

Criterion cfsp_layers() {
  return {.name = "cfsp-layers",
          .summary = "angle between the layer's input and output (coarse)",
          .unit = UnitKind::kLayer,
          .needs = {Stat::kLayerAngle},
          .score = score_layer,
          .reads_weights = false,
          .source = "CFSP, arXiv 2409.13199, released code: angle",
          .deviations = {17, 24}};
}

}  // namespace mop
