// solve/sparse.h -- selects the entries of a matrix that become zero and updates the others. Pure
// functions on matrices.
//
// Shape letters: O outputs, K inputs.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace mop {

/// How many entries become zero: a fraction, or all but `keep` of every `of` consecutive inputs.
struct SparsityPattern {
  double fraction = 0.5;     ///< in (0, 1); when `of` is 0
  int64_t keep = 0, of = 0;  ///< 2:4 keeps two of four; `of` 0 = a fraction
  bool grouped() const { return of > 0; }
};

/// Parses "2:4". Throws Error(kUsage) for another form, or when none or all of a group would
/// remain.
SparsityPattern pattern_from_text(std::string_view text);
std::string pattern_text(const SparsityPattern& pattern);

/// Returns a mask, true = zero, of the lowest scores of each row (floor(fraction * K) of them) or
/// of each group. Ties: the lower index becomes zero. Throws Error(kBadInput) when groups do not
/// divide the inputs or a score is NaN.
at::Tensor lowest_of_rows(const at::Tensor& scores_OK, const SparsityPattern& pattern);
/// The same for the whole matrix, or for each group where there are groups.
at::Tensor lowest_of_matrix(const at::Tensor& scores_OK, const SparsityPattern& pattern);

/// A matrix and the statistics of its inputs.
struct SparseUpdate {
  at::Tensor weights_OK;
  at::Tensor gram_KK;  ///< second moments of the inputs, any scale
  SparsityPattern pattern;
  double damping = 1e-2;  ///< ridge, relative to the mean of the diagonal of the second moments
  int64_t block = 128;    ///< columns whose zeros are selected together
};

/// SparseGPT (arXiv 2301.00774, algorithm 1): processes columns from left to right; the columns on
/// the right compensate each column's error, by the rows of the upper Cholesky factor U of (G +
/// damping * mean(diag G) I)^-1. Selects the zeros of a block of columns by the lowest w^2 /
/// U_jj^2; those of a group when its first column is reached. Weights of inputs that are always 0
/// become 0. Returns [O, K] float64 with exact zeros. Throws Error(kBadInput) as above, for a block
/// that groups do not divide, and when the system cannot be solved.
at::Tensor sparsegpt(const SparseUpdate& input);

}  // namespace mop
