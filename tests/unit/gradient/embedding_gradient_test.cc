#include "gradient/embedding_gradient.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

namespace mop {
namespace {

TEST(EmbeddingGradient, SortedRowsGiveTheSameSums) {
  at::manual_seed(3);
  const at::Tensor ids_N = at::randint(0, 17, {400}, at::kLong);
  const at::Tensor rows_ND = at::randn({400, 6});
  const at::Tensor start_VD = at::randn({20, 6});
  at::Tensor plain_VD = start_VD.clone(), sorted_VD = start_VD.clone();
  add_rows_of_ids(plain_VD, ids_N, rows_ND);
  add_sorted_rows_of_ids(sorted_VD, ids_N, rows_ND);
  EXPECT_TRUE(at::allclose(plain_VD, sorted_VD, 1e-5, 1e-5));
  // Ids that do not occur leave their rows alone.
  EXPECT_TRUE(at::equal(sorted_VD.narrow(0, 17, 3), start_VD.narrow(0, 17, 3)));
}

TEST(EmbeddingGradient, AddsRowsOfOneIdInTheirOrder) {
  // In float32, 1 is lost beside 1e8 unless it comes last.
  const at::Tensor rows_ND = at::tensor({1e8f, 5.f, -1e8f, 1.f}).view({4, 1});
  at::Tensor sum_VD = at::zeros({3, 1});
  add_sorted_rows_of_ids(sum_VD, at::tensor({2, 0, 2, 2}, at::kLong), rows_ND);
  EXPECT_TRUE(at::equal(sum_VD, at::tensor({5.f, 0.f, 1.f}).view({3, 1}))) << sum_VD;
}

TEST(EmbeddingGradient, NothingComesOfNoTokens) {
  at::Tensor sum_VD = at::ones({3, 2});
  add_sorted_rows_of_ids(sum_VD, at::empty({0}, at::kLong), at::empty({0, 2}));
  EXPECT_TRUE(at::equal(sum_VD, at::ones({3, 2})));
}

}  // namespace
}  // namespace mop
