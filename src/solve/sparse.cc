// solve/sparse.cc
#include "solve/sparse.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace mop {
namespace {

void check_scores(const at::Tensor& scores_OK) {
  if (scores_OK.isnan().any().item<bool>()) {
    throw bad_input("a weight's score is not a number").hint("look at the calibration text");
  }
}

// Returns true at the `count` lowest entries of every row.
at::Tensor lowest(const at::Tensor& scores_RC, int64_t count) {
  const at::Tensor order_RC =
      std::get<1>(at::sort(scores_RC, /*stable=*/true, /*dim=*/1, /*descending=*/false));
  return at::zeros_like(scores_RC, at::kBool)
      .scatter_(1, order_RC.narrow(1, 0, count), /*value=*/1);
}

void check_groups(int64_t inputs, const SparsityPattern& pattern) {
  if (!pattern.grouped() || inputs % pattern.of == 0) return;
  throw bad_input("groups of {} do not divide {} inputs", pattern.of, inputs)
      .hint(fmt::format("--shape-multiple {} keeps widths that they divide", pattern.of));
}

at::Tensor lowest_of_groups(const at::Tensor& scores_OK, const SparsityPattern& pattern) {
  check_groups(scores_OK.size(1), pattern);
  const at::Tensor groups_RC = scores_OK.reshape({-1, pattern.of});
  return lowest(groups_RC, pattern.of - pattern.keep).view(scores_OK.sizes());
}

int64_t share(int64_t count, double fraction) {
  return static_cast<int64_t>(std::floor(static_cast<double>(count) * fraction));
}

// Returns the upper factor U of the inverse, U^T U = (G + ridge)^-1.
at::Tensor inverse_factor(at::Tensor gram_KK, double damping) {
  at::Tensor diagonal_K = gram_KK.diagonal();
  diagonal_K.add_(diagonal_K.mean() * damping);
  const auto [factor_KK, info] = at::linalg_cholesky_ex(gram_KK);
  if (info.item<int64_t>() == 0) {
    const auto [inverse_KK, again] =
        at::linalg_cholesky_ex(at::cholesky_inverse(factor_KK), /*upper=*/true);
    if (again.item<int64_t>() == 0 && at::isfinite(inverse_KK).all().item<bool>()) {
      return inverse_KK;
    }
  }
  throw bad_input("the second moments of {} inputs cannot be inverted", gram_KK.size(0))
      .hint("more calibration text, or a larger damping");
}

// The columns of one block.
class Block {
 public:
  Block(at::Tensor weights_OC, at::Tensor factor_CC, const SparsityPattern& pattern)
      : weights_OC_(std::move(weights_OC)),
        factor_CC_(std::move(factor_CC)),
        pattern_(pattern),
        errors_OC_(at::zeros_like(weights_OC_)) {
    if (!pattern.grouped()) zeros_OC_ = lowest_of_matrix(scores(0, columns()), pattern);
  }

  // Updates the block; returns each column's error divided by its diagonal entry of U.
  at::Tensor run() {
    at::Tensor group_zeros;
    for (int64_t i = 0; i < columns(); ++i) {
      if (pattern_.grouped() && i % pattern_.of == 0) {
        group_zeros = lowest_of_groups(scores(i, pattern_.of), pattern_);
      }
      const at::Tensor zeros_O =
          pattern_.grouped() ? group_zeros.select(1, i % pattern_.of) : zeros_OC_.select(1, i);
      at::Tensor column_O = weights_OC_.select(1, i);
      const at::Tensor factor_C = factor_CC_[i].narrow(0, i, columns() - i);
      const at::Tensor error_O = at::where(zeros_O, column_O / factor_C[0], 0.0);
      weights_OC_.narrow(1, i, columns() - i).sub_(at::outer(error_O, factor_C));
      column_O.masked_fill_(zeros_O, 0);
      errors_OC_.select(1, i).copy_(error_O);
    }
    return errors_OC_;
  }

 private:
  int64_t columns() const { return weights_OC_.size(1); }
  at::Tensor scores(int64_t first, int64_t count) const {
    const at::Tensor diagonal_C = factor_CC_.diagonal().narrow(0, first, count);
    const at::Tensor scores_OC = (weights_OC_.narrow(1, first, count) / diagonal_C).square();
    check_scores(scores_OC);
    return scores_OC;
  }
  at::Tensor weights_OC_;
  const at::Tensor factor_CC_;
  const SparsityPattern& pattern_;
  at::Tensor errors_OC_, zeros_OC_;
};

}  // namespace

SparsityPattern pattern_from_text(std::string_view text) {
  const size_t colon = text.find(':');
  SparsityPattern pattern;
  const auto number = [](std::string_view digits) -> int64_t {
    const bool whole = !digits.empty() && digits.size() < 5 &&
                       std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
    return whole ? std::stoll(std::string(digits)) : 0;
  };
  if (colon != text.npos) {
    pattern.keep = number(text.substr(0, colon));
    pattern.of = number(text.substr(colon + 1));
  }
  if (pattern.keep < 1 || pattern.keep >= pattern.of) {
    throw usage_error("a pattern keeps N of every M weights, as in 2:4, got '{}'", text);
  }
  pattern.fraction = 1 - static_cast<double>(pattern.keep) / static_cast<double>(pattern.of);
  return pattern;
}

std::string pattern_text(const SparsityPattern& pattern) {
  return fmt::format("{}:{}", pattern.keep, pattern.of);
}

at::Tensor lowest_of_rows(const at::Tensor& scores_OK, const SparsityPattern& pattern) {
  check_scores(scores_OK);
  if (pattern.grouped()) return lowest_of_groups(scores_OK, pattern);
  return lowest(scores_OK, share(scores_OK.size(1), pattern.fraction));
}

at::Tensor lowest_of_matrix(const at::Tensor& scores_OK, const SparsityPattern& pattern) {
  check_scores(scores_OK);
  if (pattern.grouped()) return lowest_of_groups(scores_OK, pattern);
  return lowest(scores_OK.reshape({1, -1}), share(scores_OK.numel(), pattern.fraction))
      .view(scores_OK.sizes());
}

at::Tensor sparsegpt(const SparseUpdate& input) {
  const at::Tensor weights_OK =
      input.weights_OK.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true).contiguous();
  at::Tensor gram_KK = input.gram_KK.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
  const int64_t inputs = weights_OK.size(1);
  if (gram_KK.dim() != 2 || gram_KK.size(0) != inputs || gram_KK.size(1) != inputs) {
    throw bad_input("a matrix of {} inputs, and second moments of {}", inputs, gram_KK.size(0));
  }
  check_groups(inputs, input.pattern);
  if (input.block < 1 || (input.pattern.grouped() && input.block % input.pattern.of != 0)) {
    throw bad_input("blocks of {} columns are no whole groups of {}", input.block,
                    input.pattern.of);
  }
  const at::Tensor unused_K = gram_KK.diagonal() == 0;
  gram_KK.diagonal().masked_fill_(unused_K, 1);
  weights_OK.masked_fill_(unused_K, 0);
  const at::Tensor factor_KK = inverse_factor(std::move(gram_KK), input.damping);
  for (int64_t first = 0; first < inputs; first += input.block) {
    const int64_t size = std::min(input.block, inputs - first), behind = first + size;
    const at::Tensor rows_CK = factor_KK.narrow(0, first, size);
    const at::Tensor errors_OC =
        Block(weights_OK.narrow(1, first, size), rows_CK.narrow(1, first, size), input.pattern)
            .run();
    if (behind == inputs) break;
    weights_OK.narrow(1, behind, inputs - behind)
        .sub_(errors_OC.mm(rows_CK.narrow(1, behind, inputs - behind)));
  }
  return weights_OK;
}

}  // namespace mop
