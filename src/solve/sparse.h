// solve/sparse.h -- which entries of a matrix become zero, and what the others then are: pure
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
  double fraction = 0.5;     ///< in (0, 1); without groups
  int64_t keep = 0, of = 0;  ///< 2:4 keeps two of four; 0 = no groups
  bool grouped() const { return of > 0; }
};

/// "2:4". Throws Error(kUsage) for another form, or where none or all of a group would stay.
SparsityPattern pattern_from_text(std::string_view text);
std::string pattern_text(const SparsityPattern& pattern);

/// Where entries become zero: the lowest scores of each row, floor(fraction * K) of them, or of
/// each group. True = zero. Equal scores: the lower index goes first. Throws Error(kBadInput) when
/// groups do not divide the inputs or a score is not a number.
at::Tensor lowest_of_rows(const at::Tensor& scores_OK, const SparsityPattern& pattern);
/// The same of the whole matrix; of each group where there are groups.
at::Tensor lowest_of_matrix(const at::Tensor& scores_OK, const SparsityPattern& pattern);

/// A matrix and what enters it.
struct SparseUpdate {
  at::Tensor weights_OK;
  at::Tensor gram_KK;  ///< second moments of the inputs, in any scale
  SparsityPattern pattern;
  double damping = 1e-2;  ///< ridge, of the mean of the second moments' diagonal
  int64_t block = 128;    ///< columns whose zeros are chosen together
};

/// SparseGPT (arXiv 2301.00774, algorithm 1): columns from left to right, every column's error is
/// made up for by those on its right, with the rows of the upper Cholesky factor U of (G + damping
/// * mean(diag G) I)^-1. The zeros of a block of columns are its lowest w^2 / U_jj^2, of a group's
/// when its first column comes. Inputs that are always 0 lose their weights. [O, K] float64, zeros
/// exact. Throws Error(kBadInput) as above, for a block that groups do not divide, and when the
/// system cannot be solved.
at::Tensor sparsegpt(const SparseUpdate& input);

}  // namespace mop
