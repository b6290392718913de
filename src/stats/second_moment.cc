// stats/second_moment.cc
#include "stats/second_moment.h"

#include <ATen/ATen.h>

#include "base/pieces.h"

namespace mop {
namespace {

// Diagonal tiles are computed in full, which wastes little when they are small; products with fewer
// rows are slower.
constexpr int64_t kTile = 256;

}  // namespace

SecondMoment::SecondMoment(int64_t columns, c10::Device device)
    : sum_KK_(at::empty({columns, columns}, at::TensorOptions(device).dtype(at::kFloat))) {}

void SecondMoment::add(const at::Tensor& x_NK) {
  at::Tensor rows_NK = x_NK;
  if (x_NK.scalar_type() != at::kFloat) {
    if (!rows_NK_.defined() || rows_NK_.size(0) < x_NK.size(0)) {
      rows_NK_ = at::empty(x_NK.sizes(), sum_KK_.options());
    }
    rows_NK = rows_NK_.narrow(0, 0, x_NK.size(0)).copy_(x_NK);
  }
  for_pieces(sum_KK_.size(0), kTile, [&](int64_t begin, int64_t size) {
    const int64_t end = begin + size;
    at::Tensor tile = sum_KK_.narrow(0, begin, size).narrow(1, 0, end);
    tile.addmm_(rows_NK.narrow(1, begin, size).t(), rows_NK.narrow(1, 0, end),
                /*beta=*/empty_ ? 0 : 1);
  });
  empty_ = false;
}

at::Tensor SecondMoment::mean(int64_t rows) {
  rows_NK_.reset();
  if (empty_) sum_KK_.zero_();
  for_pieces(sum_KK_.size(0), kTile, [&](int64_t begin, int64_t size) {
    at::Tensor tile_rows = sum_KK_.narrow(0, begin, size);
    tile_rows.narrow(1, 0, begin + size).div_(static_cast<double>(rows));
    at::Tensor diagonal = tile_rows.narrow(1, begin, size);
    diagonal.tril_();
    diagonal.add_(diagonal.tril(-1).t());
    sum_KK_.narrow(0, 0, begin).narrow(1, begin, size).copy_(tile_rows.narrow(1, 0, begin).t());
  });
  return sum_KK_;
}

}  // namespace mop
