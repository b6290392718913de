// stats/second_moment.cc
#include "stats/second_moment.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace mop {
namespace {

constexpr int64_t kTile = 256;

}  // namespace

SecondMoment::SecondMoment(int64_t columns, c10::Device device)
    : sum_KK_(at::zeros({columns, columns}, at::TensorOptions(device).dtype(at::kFloat))) {}

void SecondMoment::add(const at::Tensor& x_NK) {
  at::Tensor rows_NK = x_NK;
  if (x_NK.scalar_type() != at::kFloat) {
    if (!rows_NK_.defined() || rows_NK_.size(0) < x_NK.size(0)) {
      rows_NK_ = at::empty(x_NK.sizes(), sum_KK_.options());
    }
    rows_NK = rows_NK_.narrow(0, 0, x_NK.size(0)).copy_(x_NK);
  }
  const int64_t columns = sum_KK_.size(0);
  for (int64_t begin = 0; begin < columns; begin += kTile) {
    const int64_t size = std::min(kTile, columns - begin), end = begin + size;
    at::Tensor tile = sum_KK_.narrow(0, begin, size).narrow(1, 0, end);
    tile.addmm_(rows_NK.narrow(1, begin, size).t(), rows_NK.narrow(1, 0, end));
  }
}

at::Tensor SecondMoment::mean(int64_t rows) {
  rows_NK_.reset();
  sum_KK_.tril_();
  sum_KK_.add_(sum_KK_.tril(-1).t());
  return sum_KK_.div_(static_cast<double>(rows));
}

}  // namespace mop
