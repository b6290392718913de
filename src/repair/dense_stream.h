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
  /// In front of the first layer. `packed` outlives the stream.
  DenseStream(const Model& dense, const Compute& compute, const PackedSamples& packed);

  /// Where the stream is: [N, D], compute dtype, on the compute device. A later step may write into
  /// what nobody else holds.
  const at::Tensor& hidden_ND() const { return hidden_ND_; }
  /// What enters the first layer of `pruned`, while the stream is in front of the dense model's:
  /// the same, unless pictures are other rows for it (a tower that was cut).
  at::Tensor entering(const Model& pruned) const;
  /// Goes on to in front of `layer`.
  void advance_to(int64_t layer);
  /// Goes on to behind `layer`; what the hidden states are behind its attention.
  at::Tensor pass(int64_t layer);

 private:
  const PackedSamples& packed_;
  const std::vector<int64_t> first_token_;
  WeightLoader weights_;
  at::Tensor hidden_ND_;
  int64_t layer_ = 0;
};

}  // namespace mop
