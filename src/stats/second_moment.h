// stats/second_moment.h -- sums of x x^T over many rows, by matrix products.
//
// Shape letters: N rows, K columns.
#pragma once
#include <ATen/core/Tensor.h>

namespace mop {

/// Accumulates x^T x in float32, tile by tile of the lower triangle.
class SecondMoment {
 public:
  SecondMoment(int64_t columns, c10::Device device);
  /// x_NK: any floating dtype, on the device. Does not synchronise.
  void add(const at::Tensor& x_NK);
  /// Returns the sum / rows, [K, K], exactly symmetric. May be called once.
  at::Tensor mean(int64_t rows);

 private:
  at::Tensor sum_KK_;   // the upper triangle is filled by mean()
  at::Tensor rows_NK_;  // float32, buffer for conversion
  bool empty_ = true;   // the sum is uninitialised until the first add()
};

}  // namespace mop
