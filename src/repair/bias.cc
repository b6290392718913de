// repair/bias.cc -- replaces removed inputs by a constant: their mean over the calibration text,
// times their weights.
//
// Shape letters: D hidden, K inputs of a projection.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/error.h"
#include "model/family.h"
#include "model/weights.h"
#include "repair/repair.h"
#include "stats/layer_stats.h"
#include "tensor/scratch.h"

namespace mop {
namespace {

// A projection of a half layer, its bias, and the statistic of its inputs.
struct Compensated {
  Role projection, bias;
  Stat mean;
};
constexpr Compensated kAttention = {Role::kOutput, Role::kOutputBias, Stat::kHeadChannelMean};
constexpr Compensated kMlp = {Role::kDown, Role::kDownBias, Stat::kNeuronMean};

// Returns 1 where an input of the source layer's projection was removed: [K].
at::Tensor gone_K(const IndexList& kept, int64_t units, int64_t width) {
  const at::Tensor gone_U = at::ones({units}, at::kDouble);
  for (const int32_t unit : kept) gone_U[unit] = 0;
  return gone_U.repeat_interleave(width);
}

// Returns a tensor of a dense layer; undefined when it has none of this role.
at::Tensor tensor_of(const Model& dense, int64_t layer, Role role) {
  const ModelConfig& config = dense.config();
  const LayerTensor* tensor =
      tensor_of_role(config, config.layers[static_cast<size_t>(layer)], role);
  return tensor == nullptr ? at::Tensor() : stored_tensor(dense, layer, *tensor);
}

class BiasRepair {
 public:
  BiasRepair(const RepairInput& in, const std::vector<LayerStats>& means)
      : in_(in), means_(means), layers_(in.pruned.layers()) {}

  // Returns whether a layer lost some inputs of this projection. A layer that lost all no longer
  // has the projection.
  bool lost(const Compensated& what) const {
    for (const Layer& layer : layers_) {
      const at::Tensor gone = gone_of(layer, what);
      if (has(layer, what) && gone.count_nonzero().item<int64_t>() > 0) return true;
    }
    return false;
  }

  void compensate(const Compensated& what) {
    for (Layer& layer : layers_) {
      if (!has(layer, what)) continue;
      const int64_t source = layer.source;
      const at::Tensor weight_DK = tensor_of(in_.dense, source, what.projection);
      const at::Tensor gone = gone_of(layer, what);
      const at::Tensor mean_K = means_[static_cast<size_t>(source)].mean(what.mean, gone.numel());
      at::Tensor bias_D = weight_DK.to(at::kDouble).mv(mean_K * gone);
      const at::Tensor own_D = tensor_of(in_.dense, source, what.bias);
      if (own_D.defined()) bias_D += own_D.to(at::kDouble);
      if (in_.pruned.channels() != in_.dense.channels())
        bias_D = bias_D.index_select(0, at::tensor(in_.pruned.channels(), at::kInt));
      layer.changed[what.bias] = in_scratch(bias_D.to(weight_DK.scalar_type()), in_.scratch);
    }
  }

  const std::vector<Layer>& layers() const { return layers_; }

 private:
  static bool has(const Layer& layer, const Compensated& what) {
    return what.projection == Role::kDown ? !layer.neurons.empty() : !layer.heads.empty();
  }
  at::Tensor gone_of(const Layer& layer, const Compensated& what) const {
    const LayerShape& shape = in_.dense.config().layers[static_cast<size_t>(layer.source)];
    return what.projection == Role::kDown ? gone_K(layer.neurons, shape.mlp, 1)
                                          : gone_K(layer.heads, shape.heads, shape.head_dim);
  }

  const RepairInput& in_;
  const std::vector<LayerStats>& means_;
  std::vector<Layer> layers_;
};

}  // namespace

Model bias_repair(const RepairInput& input, Progress& progress) {
  if (input.samples.ids.empty()) {
    throw usage_error("a repair needs calibration text").hint("--calibration FILE");
  }
  const c10::NoGradGuard no_grad;
  WeightLoader weights(input.dense, input.compute);
  const Stat means[] = {kAttention.mean, kMlp.mean};
  const std::vector<LayerStats> stats = collect_stats(weights, input.samples, means, progress);
  BiasRepair repair(input, stats);
  const bool output = repair.lost(kAttention), down = repair.lost(kMlp);
  if (output) repair.compensate(kAttention);
  if (down) repair.compensate(kMlp);
  return input.pruned.with_layers(repair.layers()).with_biases(output, down);
}

}  // namespace mop
