#include "model/short_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <limits>

#include "kit/plain_attention.h"
#include "tensor/tiles.h"

namespace mop {
namespace {

struct Heads {
  int64_t query, kv, size;
};

struct Tensors {
  at::Tensor query, key, value;
  Tensors(int64_t tokens, const Heads& heads, at::ScalarType dtype)
      : query((at::randn({tokens, heads.query, heads.size}) * 3).to(dtype)),
        key(at::randn({tokens, heads.kv, heads.size}).to(dtype)),
        value(at::randn({tokens, heads.kv, heads.size}).to(dtype)) {}
};

at::Tensor reference(const Tensors& x, const Packing& packing, std::optional<int64_t> window) {
  return testing::plain_attention(x.query, x.key, x.value, packing, window);
}

class ShortAttention : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  ShortAttention() { at::manual_seed(5); }
  void expect_reference(const Heads& heads, const Packing& packing,
                        std::optional<int64_t> window) const {
    const Tensors x(packing.tokens(), heads, GetParam());
    const at::Tensor expected = reference(x, packing, window);
    ASSERT_TRUE(short_attention_fits(x.query, x.key, x.value));
    EXPECT_TRUE(short_attention_(x.query, x.key, x.value, trees_of(packing), window).empty());
    const double tolerance = GetParam() == at::kFloat ? 1e-5 : 1e-2;
    EXPECT_TRUE(at::allclose(x.query.to(at::kDouble), expected, tolerance, tolerance))
        << (x.query.to(at::kDouble) - expected).abs().max();
  }
};

TEST_P(ShortAttention, EqualsLibTorchForEveryLength) {
  Packing packing;
  for (int64_t length = 1; length < 70; ++length) packing.lengths.push_back(length);
  expect_reference({6, 3, 32}, packing, std::nullopt);
}

TEST_P(ShortAttention, ServesEverySizeAndGroupOfHeads) {
  const Packing packing{.lengths = {3, 120, 17}};
  for (const Heads heads : {Heads{2, 2, 16}, {4, 1, 48}, {6, 2, 64}, {1, 1, 112}, {8, 2, 128}}) {
    expect_reference(heads, packing, std::nullopt);
  }
}

TEST_P(ShortAttention, BranchesSeeTheirBeginningAndThemselves) {
  const Packing packing{.lengths = {5, 9, 1, 2, 33, 70, 20, 4},
                        .starts = {0, 5, 5, 0, 2, 2, 0, 20},
                        .branches = {false, true, true, false, true, true, false, true}};
  expect_reference({6, 3, 32}, packing, std::nullopt);
}

// Farther than a chunk, with everything at once; the queries in parts, for threads are many.
TEST_P(ShortAttention, LongTreesAreCutForManyThreads) {
  const Packing packing{
      .lengths = {400, 33, 70}, .starts = {0, 400, 400}, .branches = {false, true, true}};
  const int threads = at::get_num_threads();
  for (const int many : {1, 5}) {
    at::set_num_threads(many);
    for (const std::optional<int64_t> window : {std::optional<int64_t>(), {100}}) {
      expect_reference({4, 2, 64}, packing, window);
      expect_reference({1, 1, 256}, packing, window);
    }
  }
  at::set_num_threads(threads);
}

TEST_P(ShortAttention, AWindowHidesWhatIsOlder) {
  const Packing packing{
      .lengths = {40, 9, 25, 70}, .starts = {0, 40, 40, 0}, .branches = {false, true, true, false}};
  for (const int64_t window : {1, 2, 7, 16, 30, 1000}) {
    expect_reference({4, 2, 32}, packing, window);
  }
}

// Bit by bit, whatever lies beside it.
TEST_P(ShortAttention, NeighboursInThePackingChangeNothing) {
  const Tensors all(90, {4, 2, 32}, GetParam());
  const auto own = [](const at::Tensor& x) { return x.narrow(0, 21, 37).clone(); };
  const at::Tensor query = own(all.query);
  short_attention_(query, own(all.key), own(all.value), trees_of({.lengths = {37}}), std::nullopt);
  short_attention_(all.query, all.key, all.value, trees_of({.lengths = {21, 37, 32}}),
                   std::nullopt);
  EXPECT_TRUE(at::equal(own(all.query), query));
}

TEST_P(ShortAttention, LeavesLongTreesAlone) {
  const Tensors x(5010, {2, 1, 32}, GetParam());
  const at::Tensor before = x.query.clone();
  const auto left =
      short_attention_(x.query, x.key, x.value, trees_of({.lengths = {5000, 10}}), std::nullopt);
  ASSERT_EQ(left.size(), 1);
  EXPECT_EQ(left.front().tokens, 5000);
  EXPECT_TRUE(at::equal(x.query.narrow(0, 0, 5000), before.narrow(0, 0, 5000)));
  EXPECT_FALSE(at::equal(x.query.narrow(0, 5000, 10), before.narrow(0, 5000, 10)));
}

TEST_P(ShortAttention, NanStaysInItsSequence) {
  const Tensors x(12, {2, 1, 16}, GetParam());
  x.key[2].fill_(std::numeric_limits<double>::quiet_NaN());
  short_attention_(x.query, x.key, x.value, trees_of({.lengths = {6, 6}}), std::nullopt);
  EXPECT_TRUE(x.query.narrow(0, 0, 2).isfinite().all().item<bool>());
  EXPECT_TRUE(x.query.narrow(0, 2, 4).isnan().all().item<bool>());
  EXPECT_TRUE(x.query.narrow(0, 6, 6).isfinite().all().item<bool>());
}

TEST(ShortAttentionOnMatrixUnits, TakesTreesOfThousandsOfTokens) {
  if (!tiles::available()) GTEST_SKIP() << "this machine has no matrix units";
  at::manual_seed(6);
  const Tensors x(2100, {2, 1, 64}, at::kBFloat16);
  const auto wide = [](const at::Tensor& t) { return t.to(at::kFloat).transpose(0, 1); };
  const at::Tensor expected =
      at::scaled_dot_product_attention(wide(x.query), wide(x.key).expand({2, -1, -1}),
                                       wide(x.value).expand({2, -1, -1}), {}, 0.0, true)
          .transpose(0, 1);
  EXPECT_TRUE(short_attention_(x.query, x.key, x.value, trees_of({.lengths = {2100}}), std::nullopt)
                  .empty());
  EXPECT_TRUE(at::allclose(x.query.to(at::kFloat), expected, 1e-2, 1e-2))
      << (x.query.to(at::kFloat) - expected).abs().max();
}

INSTANTIATE_TEST_SUITE_P(Dtypes, ShortAttention, ::testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) { return std::string(at::toString(info.param)); });

TEST(ShortAttentionFits, OnlyWhatItsVectorsTake) {
  const auto tensor = [](int64_t size, at::ScalarType dtype) {
    return at::zeros({4, 2, size}, dtype);
  };
  const auto fits = [](const at::Tensor& x) { return short_attention_fits(x, x, x); };
  EXPECT_TRUE(fits(tensor(32, at::kFloat)));
  EXPECT_FALSE(fits(tensor(20, at::kFloat)));
  EXPECT_FALSE(fits(tensor(512, at::kFloat)));
  EXPECT_FALSE(fits(tensor(32, at::kDouble)));
  EXPECT_FALSE(fits(tensor(64, at::kFloat).narrow(2, 0, 32)));
}

}  // namespace
}  // namespace mop
