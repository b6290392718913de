// repair/least_squares.cc -- sequential least squares on two streams: the hidden states of the
// dense model and of the model under repair.
//
// Shape letters: N tokens, D hidden, K inputs of a projection (heads * head size, or neurons).
#include "solve/least_squares.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/error.h"
#include "model/family.h"
#include "repair/changing_stream.h"
#include "repair/dense_stream.h"
#include "repair/repair.h"
#include "stats/packed_samples.h"
#include "stats/second_moment.h"
#include "tensor/mapped_file.h"

namespace mop {

const Option<double> kRepairDamping = {
    .name = "damping",
    .default_value = 0,
    .range = at_least(0),
    .help =
        "ridge towards the current weights, relative to the mean square of an input; 0 "
        "chooses 0.01, or 0.1 with little text"};

namespace {

// A half layer: the sites of its projection's input and of the hidden states after it.
struct HalfLayer {
  Role projection;
  Site input, output;
};
constexpr HalfLayer kAttention = {Role::kOutput, Site::kHeadOutput, Site::kAttentionOutput};
constexpr HalfLayer kMlp = {Role::kDown, Site::kNeuron, Site::kLayerOutput};

class LeastSquares {
 public:
  explicit LeastSquares(const RepairInput& input)
      : in_(input),
        packed_(pack(input.samples, !input.compute.device.is_cpu())),
        first_token_(first_tokens(packed_.packing)),
        dense_(input.dense, input.pruned, input.compute, packed_),
        pruned_(input.pruned, input.compute, packed_.packing, input.scratch,
                dense_.entering(input.pruned)) {}

  Model run(Progress& progress) {
    const int64_t layers = pruned_.num_layers();
    progress.begin("repairing", layers);
    at::Tensor behind_attention_ND = dense_.pass(pruned_.source(0));
    for (int64_t layer = 0; layer < layers; ++layer) {
      const bool last = layer + 1 == layers;
      const int64_t next = last ? in_.dense.num_layers() : pruned_.source(layer + 1);
      dense_.advance_to(next);
      // If the next layer has no attention, the gap extends to its MLP.
      const bool gap = !last && pruned_.shape(layer + 1).heads == 0;
      at::Tensor behind_next_attention_ND;
      if (gap) behind_next_attention_ND = dense_.pass(next);
      repair_halves(layer, behind_attention_ND,
                    gap ? behind_next_attention_ND : dense_.hidden_ND());
      behind_attention_ND = behind_next_attention_ND;
      if (!last && !gap) behind_attention_ND = dense_.pass(next);
      check_mappings();
      progress.advance(layer + 1);
    }
    progress.end();
    return pruned_.model();
  }

 private:
  at::Tensor piece_of(const at::Tensor& all_ND, int64_t first_sequence,
                      const Packing& piece) const {
    return all_ND.narrow(0, first_token_[static_cast<size_t>(first_sequence)], piece.tokens());
  }

  // Returns the model as repaired so far, with only this half of the layer.
  Model only(int64_t layer, const HalfLayer& half) const {
    std::vector<Layer> layers = pruned_.layers();
    Layer& halved = layers[static_cast<size_t>(layer)];
    if (half.projection == kAttention.projection) {
      halved.neurons.clear();
    } else {
      halved.heads.clear();
      halved.kv_heads.clear();
    }
    return in_.pruned.with_layers(std::move(layers));
  }

  void repair(int64_t layer, const HalfLayer& half, const at::Tensor& target_ND, int64_t inputs) {
    const auto sums = at::TensorOptions(in_.compute.device).dtype(at::kFloat);
    SecondMoment gram(inputs, in_.compute.device);
    const at::Tensor cross_DK = at::zeros({target_ND.size(1), inputs}, sums);
    at::Tensor input_NK;
    ForwardOptions options;
    options.tap = [&](int64_t, int64_t sequence, const Packing& piece) -> Tap {
      const at::Tensor wanted_ND = piece_of(target_ND, sequence, piece);
      return [&, wanted_ND](Site site, const at::Tensor& value) {
        if (site == half.input) {
          input_NK = value.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
          gram.add(input_NK);
        } else if (site == half.output) {
          const at::Tensor missing_ND = wanted_ND.to(at::kFloat) - value.to(at::kFloat);
          cross_DK.addmm_(missing_ND.t(), input_NK);
        }
      };
    };
    pruned_.look(only(layer, half), layer, options);
    add(layer, half.projection,
        ridge_addition(gram.mean(1).cpu(), cross_DK.cpu(), damping(inputs)));
    pruned_.pass(only(layer, half), layer);
  }

  // If this layer has no MLP, its attention precedes the gap.
  void repair_halves(int64_t layer, const at::Tensor& behind_attention_ND,
                     const at::Tensor& before_next_ND) {
    const LayerShape& here = pruned_.shape(layer);
    if (here.heads > 0) {
      repair(layer, kAttention, here.mlp > 0 ? behind_attention_ND : before_next_ND,
             here.heads * here.head_dim);
    }
    if (here.mlp > 0) repair(layer, kMlp, before_next_ND, here.mlp);
  }

  double damping(int64_t inputs) const {
    return damping_or_default(in_.options.get(kRepairDamping), in_.samples.tokens(), inputs);
  }

  void add(int64_t layer, Role role, const at::Tensor& addition_DK) {
    const Model now = pruned_.model();
    const LayerTensor* tensor = tensor_of_role(now.config(), pruned_.shape(layer), role);
    if (tensor == nullptr) return;
    const at::Tensor stored_DK = stored_tensor(now, layer, *tensor);
    pruned_.change(layer, role,
                   (stored_DK.to(at::kDouble) + addition_DK).to(stored_DK.scalar_type()));
  }

  const RepairInput& in_;
  const PackedSamples packed_;
  const std::vector<int64_t> first_token_;
  DenseStream dense_;
  ChangingStream pruned_;
};

}  // namespace

Model least_squares_repair(const RepairInput& input, Progress& progress) {
  if (input.samples.ids.empty()) {
    throw usage_error("a repair needs calibration text").hint("--calibration FILE");
  }
  const c10::NoGradGuard no_grad;
  return LeastSquares(input).run(progress);
}

}  // namespace mop
