// stats/squares.cc
#include "stats/squares.h"

#include <ATen/ATen.h>

#include "base/pieces.h"
#include "stats/abs_sums.h"

namespace mop {
namespace {

// Rows converted to float64 at a time.
constexpr int64_t kChunk = 512;

}  // namespace

void add_exact_squares(const at::Tensor& value_NX, const at::Tensor& sums_X) {
  for_pieces(value_NX.size(0), kChunk, [&](int64_t first, int64_t rows) {
    sums_X.add_(value_NX.narrow(0, first, rows).to(at::kDouble).square_().sum(0));
  });
}

void add_squared_abs_means(const at::Tensor& value_NX, const Packing& piece,
                           const at::Tensor& sums_X) {
  for (const EqualLengths& run : equal_lengths(piece)) {
    const at::Tensor value_STX =
        value_NX.narrow(0, run.first_token, run.tokens()).unflatten(0, {run.sequences, run.length});
    const at::Tensor means_SX = at::linalg_vector_norm(value_STX, 1, 1, false, at::kFloat)
                                    .to(at::kDouble)
                                    .div_(static_cast<double>(run.length));
    sums_X.add_(means_SX.square_().sum(0));
  }
}

void add_group_output_squares(const at::Tensor& heads_NQ, const at::Tensor& output_DQ,
                              const at::Tensor& sums_G) {
  const int64_t groups = sums_G.size(0), width = heads_NQ.size(1) / groups;
  const at::Tensor heads_GNE =
      heads_NQ.to(at::kFloat).unflatten(1, {groups, width}).transpose(0, 1);
  const at::Tensor output_GDE =
      output_DQ.to(at::kFloat).unflatten(1, {groups, width}).transpose(0, 1);
  const at::Tensor moments_GEE = at::bmm(heads_GNE.transpose(1, 2), heads_GNE);
  const at::Tensor metric_GEE = at::bmm(output_GDE.transpose(1, 2), output_GDE);
  sums_G.add_((moments_GEE.to(at::kDouble) * metric_GEE).sum({1, 2}));
}

at::Tensor row_cosines(const at::Tensor& a_ND, const at::Tensor& b_ND) {
  const at::Tensor cosines_N = at::empty({a_ND.size(0)}, a_ND.options().dtype(at::kDouble));
  for_pieces(a_ND.size(0), kChunk, [&](int64_t first, int64_t rows) {
    const at::Tensor a = a_ND.narrow(0, first, rows).to(at::kDouble);
    const at::Tensor b = b_ND.narrow(0, first, rows).to(at::kDouble);
    const at::Tensor lengths_N = (a.square().sum(1) * b.square().sum(1)).sqrt_();
    // The clamp gives 0 for a row of zeros.
    cosines_N.narrow(0, first, rows).copy_((a * b).sum(1) / lengths_N.clamp_min_(1e-300));
  });
  return cosines_N.clamp_(-1, 1);
}

}  // namespace mop
