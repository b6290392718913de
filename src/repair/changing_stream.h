// repair/changing_stream.h -- a model that gets new weights layer by layer, and its hidden states.
//
// Shape letters: N tokens, D hidden.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <vector>

#include "model/forward.h"
#include "model/weights.h"

namespace mop {

/// The walk of every repair: look at a layer's activations, change its weights, pass the hidden
/// states through the changed layer.
class ChangingStream {
 public:
  /// Starts before the first layer of `model`. `entering_ND`: [N, D], compute dtype, on the compute
  /// device; undefined if no layer is run. Changed tensors are stored in `scratch`. `compute` and
  /// `packing` must outlive the stream.
  ChangingStream(const Model& model, const Compute& compute, const Packing& packing,
                 std::filesystem::path scratch, at::Tensor entering_ND);

  int64_t num_layers() const { return std::ssize(layers_); }
  const LayerShape& shape(int64_t layer) const {
    return model_.config().layers[static_cast<size_t>(layer)];
  }
  /// The layer's index in the checkpoint.
  int64_t source(int64_t layer) const { return layers_[static_cast<size_t>(layer)].source; }
  const std::vector<Layer>& layers() const { return layers_; }
  /// The model as changed so far.
  Model model() const { return model_.with_layers(layers_); }
  /// Hidden states at the current position: [N, D].
  const at::Tensor& hidden_ND() const { return hidden_ND_; }

  /// Runs `layer` of `model`, which is this model or a part of it, on the hidden states and keeps
  /// these as they are.
  void look(const Model& model, int64_t layer, const ForwardOptions& options) const;
  /// Replaces the hidden states by the output of `layer` of `model`.
  void pass(const Model& model, int64_t layer);

  /// Stores `value` (CPU, stored dtype). Throws Error(kBadInput) if it is not finite.
  void change(int64_t layer, Role role, const at::Tensor& value);
  void replace(int64_t layer, Layer changed);

 private:
  const Model& model_;
  const Compute& compute_;
  const Packing& packing_;
  const std::filesystem::path scratch_;
  std::vector<Layer> layers_;
  at::Tensor hidden_ND_;
};

}  // namespace mop
