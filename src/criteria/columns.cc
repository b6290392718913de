// criteria/columns.cc
#include "criteria/columns.h"

#include <ATen/ATen.h>

namespace mop {

at::Tensor column_norms(const at::Tensor& weight_DK, double p) {
  return at::linalg_vector_norm(weight_DK, p, 0, false, at::kFloat).to(at::kCPU, at::kDouble);
}

at::Tensor input_rms(const ScoreInput& in, Half half) {
  const LayerShape& shape = in.shape;
  return (half == Half::kMlp
              ? in.stats.mean(Stat::kNeuronSquare, shape.mlp)
              : in.stats.mean(Stat::kHeadChannelSquare, shape.heads * shape.head_dim))
      .sqrt();
}

at::Tensor by_group(const at::Tensor& channels_K, const LayerShape& shape) {
  return channels_K.view({shape.kv_heads, shape.group() * shape.head_dim});
}

}  // namespace mop
