// A pruning criterion of our own, and `mop` with it: my_mop prune --set width.neurons=my-neurons
// ...
//
// It ranks an MLP neuron by how strongly it fires (the statistic that AMP gathers) times how much
// of that reaches the residual stream (the norm of its column of the down projection).
#include <ATen/ATen.h>

#include "cli/program.h"
#include "criteria/criterion.h"

namespace {

const mop::Option<double> kReachPower = {.name = "reach_power",
                                         .default_value = 1.0,
                                         .range = mop::at_least(0),
                                         .help = "exponent of the norm of the output weights"};

// A layer's scores: [neurons], higher = keep.
at::Tensor score_neurons(const mop::ScoreInput& in) {
  const at::Tensor fires_I = in.stats.mean(mop::Stat::kNeuronInputAbs, in.shape.mlp);
  const at::Tensor reach_I = in.weights[mop::Role::kDown].to(at::kDouble).norm(2, /*dim=*/0).cpu();
  return fires_I * reach_I.pow(in.options.get(kReachPower));
}

mop::Criterion my_neurons() {
  return {.name = "my-neurons",
          .summary = "mean |activation| times the norm of the neuron's output weights",
          .unit = mop::UnitKind::kNeuron,
          .needs = {mop::Stat::kNeuronInputAbs},
          .score = score_neurons,
          .source = "an example",
          .options = {kReachPower}};
}

}  // namespace

int main(int argc, char** argv) {
  mop::add_criterion(my_neurons());
  return mop::run_program(argc, argv);  // every verb of mop, with one more criterion
}
