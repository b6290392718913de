// repair/dense_stream.cc
#include "repair/dense_stream.h"

#include <ATen/ATen.h>

#include "model/forward.h"

namespace mop {

DenseStream::DenseStream(const Model& dense, const Model& pruned, const Compute& compute,
                         const PackedSamples& packed)
    : packed_(packed),
      first_token_(first_tokens(packed.packing)),
      weights_(dense, compute, WeightLoader::Keep::kOne) {
  hidden_ND_ = embed(weights_.embedding(), packed.ids_N, compute);
  if (pruned.channels() != dense.channels())
    channels_D_ = at::tensor(pruned.channels(), at::kInt).to(compute.device);
}

at::Tensor DenseStream::shown(const at::Tensor& hidden_ND) const {
  return channels_D_.defined() ? hidden_ND.index_select(1, channels_D_) : hidden_ND;
}

at::Tensor DenseStream::entering(const Model& pruned) const {
  if (pruned.input_rows().is_same(weights_.model().input_rows()))
    return channels_D_.defined() ? shown(hidden_ND_) : hidden_ND_.clone();
  WeightLoader own(pruned, weights_.compute(), WeightLoader::Keep::kOne);
  return embed(own.embedding(), packed_.ids_N, weights_.compute());
}

void DenseStream::advance_to(int64_t layer) {
  if (layer == layer_) return;
  hidden_ND_ = run_layer_range(weights_, std::move(hidden_ND_), packed_.packing, layer_, layer);
  layer_ = layer;
}

at::Tensor DenseStream::pass(int64_t layer) {
  advance_to(layer);
  // Without an attention there is nothing to tap: its hidden states are the layer's input.
  const bool attends = weights_.model().config().layers[static_cast<size_t>(layer)].heads > 0;
  const at::Tensor behind_attention_ND = attends ? at::empty_like(hidden_ND_) : hidden_ND_.clone();
  ForwardOptions options;
  options.tap = [&](int64_t, int64_t sequence, const Packing& piece) -> Tap {
    const int64_t token = first_token_[static_cast<size_t>(sequence)];
    const at::Tensor kept_ND = behind_attention_ND.narrow(0, token, piece.tokens());
    return [kept_ND](Site site, const at::Tensor& value) {
      if (site == Site::kAttentionOutput) kept_ND.copy_(value);
    };
  };
  hidden_ND_ =
      run_layer_range(weights_, std::move(hidden_ND_), packed_.packing, layer, layer + 1, options);
  layer_ = layer + 1;
  return shown(behind_attention_ND);
}

}  // namespace mop
