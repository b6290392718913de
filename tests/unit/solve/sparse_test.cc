// tests/unit/solve/sparse_test.cc -- zeros by scores, and SparseGPT against elimination column by
// column with a plain inverse.
#include "solve/sparse.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "kit/refusal.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;
using Matrix = std::vector<std::vector<double>>;

Matrix matrix_of(const at::Tensor& tensor) {
  Matrix rows;
  for (int64_t i = 0; i < tensor.size(0); ++i) {
    const at::Tensor row = tensor[i].contiguous();
    rows.emplace_back(row.const_data_ptr<double>(), row.const_data_ptr<double>() + row.numel());
  }
  return rows;
}

// Gauss and Jordan.
Matrix inverse(Matrix a) {
  const size_t n = a.size();
  Matrix b(n, std::vector<double>(n, 0));
  for (size_t i = 0; i < n; ++i) b[i][i] = 1;
  for (size_t i = 0; i < n; ++i) {
    const double pivot = a[i][i];
    for (size_t k = 0; k < n; ++k) {
      a[i][k] /= pivot;
      b[i][k] /= pivot;
    }
    for (size_t j = 0; j < n; ++j) {
      const double factor = a[j][i];
      if (j == i) continue;
      for (size_t k = 0; k < n; ++k) {
        a[j][k] -= factor * a[i][k];
        b[j][k] -= factor * b[i][k];
      }
    }
  }
  return b;
}

// The inverse of what is left of the Hessian from column `first` on.
Matrix inverse_from(const Matrix& hessian, size_t first) {
  Matrix rest;
  for (size_t i = first; i < hessian.size(); ++i) {
    rest.emplace_back(hessian[i].begin() + static_cast<std::ptrdiff_t>(first), hessian[i].end());
  }
  return inverse(rest);
}

struct Entry {
  double score;
  size_t row, column;
};

void zero_lowest(std::vector<Entry> entries, size_t count, std::vector<std::vector<bool>>& zeros) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.score < b.score; });
  for (size_t i = 0; i < count; ++i) zeros[entries[i].row][entries[i].column] = true;
}

// Algorithm 1 of the paper, as it is written: optimal brain surgeon from left to right.
Matrix plain_sparsegpt(Matrix w, Matrix hessian, const SparsityPattern& pattern, double damping,
                       size_t block) {
  const size_t rows = w.size(), columns = hessian.size();
  double mean = 0;
  for (size_t i = 0; i < columns; ++i) mean += hessian[i][i] / static_cast<double>(columns);
  for (size_t i = 0; i < columns; ++i) hessian[i][i] += damping * mean;
  std::vector<std::vector<bool>> zeros(rows, std::vector<bool>(columns, false));
  std::vector<double> cost(columns);
  for (size_t j = 0; j < columns; ++j) cost[j] = inverse_from(hessian, j)[0][0];
  const auto entries = [&](size_t row, size_t first, size_t count) {
    std::vector<Entry> some;
    for (size_t j = first; j < std::min(first + count, columns); ++j) {
      some.push_back({w[row][j] * w[row][j] / cost[j], row, j});
    }
    return some;
  };
  for (size_t j = 0; j < columns; ++j) {
    if (!pattern.grouped() && j % block == 0) {
      std::vector<Entry> all;
      for (size_t row = 0; row < rows; ++row) {
        for (const Entry& e : entries(row, j, block)) all.push_back(e);
      }
      zero_lowest(all, static_cast<size_t>(pattern.fraction * static_cast<double>(all.size())),
                  zeros);
    }
    if (pattern.grouped() && j % static_cast<size_t>(pattern.of) == 0) {
      for (size_t row = 0; row < rows; ++row) {
        zero_lowest(entries(row, j, static_cast<size_t>(pattern.of)),
                    static_cast<size_t>(pattern.of - pattern.keep), zeros);
      }
    }
    const Matrix left = inverse_from(hessian, j);
    for (size_t row = 0; row < rows; ++row) {
      if (!zeros[row][j]) continue;
      const double error = w[row][j] / left[0][0];
      for (size_t k = j; k < columns; ++k) w[row][k] -= error * left[0][k - j];
      w[row][j] = 0;
    }
  }
  return w;
}

struct Problem {
  at::Tensor weights_OK, inputs_NK, gram_KK;
};
Problem problem(int64_t outputs, int64_t inputs) {
  at::manual_seed(7);
  Problem p;
  p.weights_OK = at::randn({outputs, inputs}, at::kDouble);
  // Inputs that depend on each other, of unlike sizes.
  const at::Tensor mix_KK = at::randn({inputs, inputs}, at::kDouble) * 0.4 +
                            at::diag(at::linspace(0.3, 2, inputs, at::kDouble));
  p.inputs_NK = at::randn({200, inputs}, at::kDouble).mm(mix_KK);
  p.gram_KK = p.inputs_NK.t().mm(p.inputs_NK) / 200;
  return p;
}

double output_error(const Problem& p, const at::Tensor& weights_OK) {
  return p.inputs_NK.mm((weights_OK - p.weights_OK).t()).norm().item<double>();
}

SparsityPattern fraction(double value) { return {.fraction = value}; }

void expect_equal(const at::Tensor& found, const Matrix& wanted) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    for (size_t j = 0; j < wanted[i].size(); ++j) {
      const double value = found[static_cast<int64_t>(i)][static_cast<int64_t>(j)].item<double>();
      ASSERT_NEAR(value, wanted[i][j], 1e-9) << i << ", " << j;
      ASSERT_EQ(value == 0, wanted[i][j] == 0) << i << ", " << j;
    }
  }
}

TEST(SparseGpt, IsEliminationColumnByColumn) {
  const Problem p = problem(5, 12);
  for (const int64_t block : {int64_t{4}, int64_t{5}, int64_t{12}, int64_t{128}}) {
    const at::Tensor found =
        sparsegpt({p.weights_OK, p.gram_KK, fraction(0.5), /*damping=*/0.01, block});
    expect_equal(found, plain_sparsegpt(matrix_of(p.weights_OK), matrix_of(p.gram_KK),
                                        fraction(0.5), 0.01, static_cast<size_t>(block)));
  }
}

TEST(SparseGpt, GroupsAreChosenWhenTheirTurnComes) {
  const Problem p = problem(5, 16);
  for (const char* text : {"2:4", "1:4", "4:8"}) {
    const SparsityPattern pattern = pattern_from_text(text);
    const at::Tensor found = sparsegpt({p.weights_OK, p.gram_KK, pattern, 0.01, 8});
    expect_equal(found,
                 plain_sparsegpt(matrix_of(p.weights_OK), matrix_of(p.gram_KK), pattern, 0.01, 8));
    const at::Tensor stay = (found != 0).view({5, -1, pattern.of}).sum(2);
    EXPECT_TRUE((stay == pattern.keep).all().item<bool>()) << text;
  }
}

TEST(SparseGpt, TheOthersMakeUpForTheZeros) {
  const Problem p = problem(24, 32);
  const at::Tensor squares_K = p.gram_KK.diagonal();
  for (const SparsityPattern& pattern : {fraction(0.5), pattern_from_text("2:4")}) {
    const at::Tensor wanda =
        p.weights_OK.masked_fill(lowest_of_rows(p.weights_OK.abs() * squares_K.sqrt(), pattern), 0);
    const at::Tensor found = sparsegpt({p.weights_OK, p.gram_KK, pattern});
    EXPECT_EQ((found == 0).sum().item<int64_t>(), (wanda == 0).sum().item<int64_t>());
    EXPECT_LT(output_error(p, found), output_error(p, wanda));
  }
}

TEST(SparseGpt, WithoutDependenceNothingChangesButTheZeros) {
  const at::Tensor weights_OK = at::tensor({3., -1., 2., 4.}).view({1, 4}).to(at::kDouble);
  const at::Tensor found = sparsegpt({weights_OK, at::eye(4, at::kDouble), fraction(0.5), 0, 128});
  EXPECT_TRUE(at::allclose(found, at::tensor({3., 0., 0., 4.}).view({1, 4}).to(at::kDouble)));
}

TEST(SparseGpt, InputsThatAreAlwaysZeroLoseTheirWeights) {
  Problem p = problem(3, 8);
  p.gram_KK.select(0, 2).zero_();
  p.gram_KK.select(1, 2).zero_();
  const at::Tensor found = sparsegpt({p.weights_OK, p.gram_KK, fraction(0.25)});
  EXPECT_EQ(found.select(1, 2).count_nonzero().item<int64_t>(), 0);
  EXPECT_TRUE(at::isfinite(found).all().item<bool>());
}

TEST(Zeros, AreTheLowestOfEachRowOfTheMatrixOrOfEachGroup) {
  const at::Tensor scores = at::tensor({1., 2., 3., 4., 5., 6., 7., 8.}).view({2, 4});
  const auto lowest = [](const at::Tensor& zeros) {
    const at::Tensor list = zeros.to(at::kInt).flatten();
    return std::vector<int>(list.const_data_ptr<int>(), list.const_data_ptr<int>() + 8);
  };
  EXPECT_EQ(lowest(lowest_of_rows(scores, fraction(0.5))),
            (std::vector<int>{1, 1, 0, 0, 1, 1, 0, 0}));
  EXPECT_EQ(lowest(lowest_of_matrix(scores, fraction(0.5))),
            (std::vector<int>{1, 1, 1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(lowest(lowest_of_matrix(scores, pattern_from_text("1:2"))),
            (std::vector<int>{1, 0, 1, 0, 1, 0, 1, 0}));
  // Of five, 0.5 is two; of equal ones the first go.
  EXPECT_EQ(lowest_of_rows(at::ones({1, 5}), fraction(0.5)).sum().item<int64_t>(), 2);
  EXPECT_TRUE(lowest_of_rows(at::ones({1, 5}), fraction(0.5))[0][1].item<bool>());
}

TEST(Zeros, RefusalsSayWhatIsWrong) {
  for (const char* text : {"2", "4:2", "0:4", "2:2", "a:b", "-1:4", "99999:100000"}) {
    EXPECT_THROW(pattern_from_text(text), Error) << text;
  }
  const Problem p = problem(2, 6);
  EXPECT_THAT(refusal_of([&] { lowest_of_rows(p.weights_OK, pattern_from_text("2:4")); }),
              HasSubstr("groups of 4 do not divide 6 inputs"));
  EXPECT_THAT(refusal_of([&] {
                sparsegpt({p.weights_OK, p.gram_KK, pattern_from_text("2:4"), 0.01, 8});
              }),
              HasSubstr("groups of 4 do not divide 6 inputs"));
  EXPECT_THAT(refusal_of([&] {
                sparsegpt({p.weights_OK, at::ones({6, 6}, at::kDouble), fraction(0.5), 0});
              }),
              HasSubstr("cannot be inverted"));
  EXPECT_THAT(refusal_of([&] {
                sparsegpt({p.weights_OK, p.gram_KK, pattern_from_text("1:2"), 0.01, 3});
              }),
              HasSubstr("blocks of 3 columns"));
}

}  // namespace
}  // namespace mop::testing
