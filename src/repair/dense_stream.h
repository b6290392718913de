// repair/dense_stream.h -- the dense model's hidden states, layer by layer.
//
// Shape letters: N tokens, D hidden.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/weights.h"
#include "stats/packed_samples.h"

namespace mop {

class DenseStream {
 public:
  /// Starts before the first layer and shows the hidden channels that `pruned` keeps. `packed` must
  /// outlive the stream.
  DenseStream(const Model& dense, const Model& pruned, const Compute& compute,
              const PackedSamples& packed);

  /// Hidden states at the current position: [N, D], compute dtype, on the compute device. A later
  /// step may overwrite the tensor unless the caller holds a reference.
  at::Tensor hidden_ND() const { return shown(hidden_ND_); }
  /// The input of the first layer of `pruned`, while the stream is before the dense model's first
  /// layer: the same, unless a pruned tower makes other rows of the pictures.
  at::Tensor entering(const Model& pruned) const;
  /// Advances to the input of `layer`.
  void advance_to(int64_t layer);
  /// Advances to the output of `layer` and returns the hidden states after its attention; a layer
  /// without one gives its input.
  at::Tensor pass(int64_t layer);

 private:
  at::Tensor shown(const at::Tensor& hidden_ND) const;

  const PackedSamples& packed_;
  const std::vector<int64_t> first_token_;
  WeightLoader weights_;
  at::Tensor hidden_ND_;
  at::Tensor channels_D_;  // that are shown; undefined = all
  int64_t layer_ = 0;
};

}  // namespace mop
