// stats/second_moment.h -- sums of x x^T over many rows at the rate of matrix products.
//
// Shape letters: N rows, K columns.
#pragma once
#include <ATen/core/Tensor.h>

namespace mop {

/// Adds up x^T x in float32, tile by tile of the lower half.
class SecondMoment {
 public:
  SecondMoment(int64_t columns, c10::Device device);
  /// x_NK: any floating type, on the device. Does not wait for it.
  void add(const at::Tensor& x_NK);
  /// The sum / rows, [K, K], symmetric to the bit. To be called once.
  at::Tensor mean(int64_t rows);

 private:
  at::Tensor sum_KK_;   // its upper half holds nothing yet
  at::Tensor rows_NK_;  // float32, memory to convert into
  bool empty_ = true;   // nothing was added: the sum is not initialised
};

}  // namespace mop
