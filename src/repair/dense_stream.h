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
  /// Starts before the first layer. `packed` must outlive the stream.
  DenseStream(const Model& dense, const Compute& compute, const PackedSamples& packed);

  /// Hidden states at the current position: [N, D], compute dtype, on the compute device. A later
  /// step may overwrite the tensor unless the caller holds a reference.
  const at::Tensor& hidden_ND() const { return hidden_ND_; }
  /// Advances to the input of `layer`.
  void advance_to(int64_t layer);
  /// Advances to the output of `layer` and returns the hidden states after its attention.
  at::Tensor pass(int64_t layer);

 private:
  const PackedSamples& packed_;
  const std::vector<int64_t> first_token_;
  WeightLoader weights_;
  at::Tensor hidden_ND_;
  int64_t layer_ = 0;
};

}  // namespace mop
