// criteria/wanda.cc -- columns of o_proj and down_proj by |weight| * ||input||: Wanda-sp (Wanda,
// arXiv 2306.11695, equation 1, on whole columns as in FLAP's code) and FASP (arXiv 2501.09412),
// which uses the sum over a column instead of the mean, so that both give the same ranking. Shape
// letters: K inputs.
#include <ATen/ATen.h>

#include "criteria/columns.h"
#include "criteria/registry.h"

namespace mop {
namespace {

at::Tensor columns_K(const ScoreInput& in, Half half) {
  const at::Tensor& weight = in.weights[half == Half::kMlp ? Role::kDown : Role::kOutput];
  return column_norms(weight, 1) * input_rms(in, half);
}

at::Tensor fasp_of_heads(const ScoreInput& in) {
  return by_group(columns_K(in, Half::kAttention), in.shape).sum(1);
}
at::Tensor fasp_of_neurons(const ScoreInput& in) { return columns_K(in, Half::kMlp); }

at::Tensor wanda_of_heads(const ScoreInput& in) { return fasp_of_heads(in) / in.config.hidden; }
at::Tensor wanda_of_neurons(const ScoreInput& in) { return fasp_of_neurons(in) / in.config.hidden; }

Criterion row(std::string name, std::string summary, UnitKind unit, std::string source,
              at::Tensor (*score)(const ScoreInput&), std::vector<int> deviations) {
  const Stat squares = unit == UnitKind::kNeuron ? Stat::kNeuronSquare : Stat::kHeadChannelSquare;
  return {.name = std::move(name),
          .summary = std::move(summary),
          .unit = unit,
          .needs = {squares},
          .score = score,
          .source = std::move(source),
          .deviations = std::move(deviations)};
}

constexpr const char* kWanda = "Wanda, arXiv 2306.11695, equation 1, by columns";
constexpr const char* kFasp = "FASP, arXiv 2501.09412";

}  // namespace

Criterion wanda_sp_heads() {
  return row("wanda-sp-heads",
             "mean |weight| * norm of the input, summed over a KV group's channels",
             UnitKind::kKvGroup, kWanda, wanda_of_heads, {16, 17, 18});
}
Criterion wanda_sp_neurons() {
  return row("wanda-sp-neurons", "mean |weight| of the neuron's column * norm of its activation",
             UnitKind::kNeuron, kWanda, wanda_of_neurons, {16, 17});
}
Criterion fasp_heads() {
  return row("fasp-heads", "sum of |weight| * norm of the input over a KV group's channels",
             UnitKind::kKvGroup, kFasp, fasp_of_heads, {16, 17, 18, 20});
}
Criterion fasp_neurons() {
  return row("fasp-neurons", "sum of |weight| of the neuron's column * norm of its activation",
             UnitKind::kNeuron, kFasp, fasp_of_neurons, {16, 17, 20});
}

}  // namespace mop
