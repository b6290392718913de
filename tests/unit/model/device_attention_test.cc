// The device's way to attend, run on the CPU; and on a GPU where there is one.
#include "model/device_attention.h"

#include <ATen/ATen.h>
#include <ATen/SDPBackend.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "kit/gpu.h"
#include "kit/plain_attention.h"

namespace mop {
namespace {

using testing::plain_attention;

const Packing kPlain{.lengths = {7, 7, 7, 1, 30, 4, 4, 1, 1}};
const Packing kBranches{
    .lengths = {5, 9, 1, 5, 9, 1, 33, 70, 20, 4},
    .starts = {0, 5, 5, 0, 5, 5, 0, 33, 0, 20},
    .branches = {false, true, true, false, true, true, false, true, false, true}};
const std::optional<int64_t> kWindows[] = {std::nullopt, 1, 3, 6, 16, 1000};

struct Tensors {
  at::Tensor query, key, value;
};
Tensors random_tensors(int64_t tokens, int64_t heads, int64_t kv_heads, int64_t size,
                       const at::TensorOptions& options = at::TensorOptions()) {
  at::manual_seed(5);
  const auto draw = [&](int64_t count) {
    return at::randn({tokens, count, size}).to(options.dtype()).to(options.device());
  };
  return {draw(heads), draw(kv_heads), draw(kv_heads)};
}

double distance(const at::Tensor& got_NQ, const at::Tensor& expected_NHE) {
  return (got_NQ.to(at::kCPU, at::kDouble) - expected_NHE.flatten(1)).abs().max().item<double>();
}

at::Tensor attend_here(const Tensors& x, const Packing& packing, std::optional<int64_t> window,
                       PackingOnDevice& packed) {
  const AttentionCall call{.packing = packing, .window = window};
  return attend_on_device(x.query, x.key, x.value, call, packed);
}

TEST(DeviceAttention, EqualsPlainAttentionForAllShapesAndWindows) {
  for (const Packing& packing : {kPlain, kBranches}) {
    for (const int64_t kv_heads : {1, 2, 4}) {
      const Tensors x = random_tensors(packing.tokens(), 4, kv_heads, 8);
      PackingOnDevice packed(packing, at::kCPU);
      for (const auto& window : kWindows) {
        EXPECT_LT(distance(attend_here(x, packing, window, packed),
                           plain_attention(x.query, x.key, x.value, packing, window)),
                  1e-5)
            << kv_heads << " " << window.value_or(0);
      }
    }
  }
}

// The integers that the GPU's kernel would be given, with each sequence done by hand.
TEST(DeviceAttention, SegmentsGiveEverySequenceTheKeysThatItSees) {
  for (const Packing& packing : {kPlain, kBranches}) {
    const Tensors x = random_tensors(packing.tokens(), 2, 2, 8);
    PackingOnDevice packed(packing, at::kCPU);
    std::vector<at::Tensor> heads;
    for (const AttentionSegments& s : packed.segments()) {
      const auto own = [&](const at::Tensor& t) { return t.narrow(0, s.first_token, s.tokens); };
      const auto seen = [&](const at::Tensor& t) {
        return s.keys_L.defined() ? t.index_select(0, s.keys_L) : own(t);
      };
      EXPECT_EQ(s.query_ends.diff().max().item<int64_t>(), s.longest_query);
      EXPECT_EQ(s.key_ends.diff().max().item<int64_t>(), s.longest_key);
      ASSERT_EQ(s.key_ends[-1].item<int64_t>(), seen(x.key).size(0));
      for (int64_t i = 0; i + 1 < s.query_ends.size(0); ++i) {
        const auto part = [&](const at::Tensor& t, const at::Tensor& ends) {
          return t.slice(0, ends[i].item<int64_t>(), ends[i + 1].item<int64_t>()).transpose(0, 1);
        };
        const at::Tensor query = part(own(x.query), s.query_ends),
                         key = part(seen(x.key), s.key_ends),
                         value = part(seen(x.value), s.key_ends);
        const at::Tensor mask =
            at::ones({query.size(1), key.size(1)}, at::kBool).tril(key.size(1) - query.size(1));
        heads.push_back(at::scaled_dot_product_attention(query, key, value, mask).transpose(0, 1));
      }
    }
    EXPECT_LT(distance(at::cat(heads).flatten(1),
                       plain_attention(x.query, x.key, x.value, packing, std::nullopt)),
              1e-5);
  }
}

TEST(DeviceAttention, ManyBranchesBecomeSegmentsOfBoundedSize) {
  Packing packing;
  for (int64_t tree = 0; tree < 40; ++tree) {
    for (const int64_t length : {500, 1, 1, 1, 1}) {
      packing.lengths.push_back(length);
      packing.starts.push_back(length == 1 ? 500 : 0);
      packing.branches.push_back(length == 1);
    }
  }
  PackingOnDevice packed(packing, at::kCPU);
  const auto& segments = packed.segments();
  ASSERT_EQ(segments.size(), 2u);  // 40 * (5 * 500 + 4) keys, 65536 and what is left of a tree
  EXPECT_EQ(segments[0].first_token, 0);
  EXPECT_EQ(segments[1].first_token, segments[0].tokens);
  EXPECT_EQ(segments[0].tokens + segments[1].tokens, packing.tokens());
  for (const AttentionSegments& s : segments) {
    EXPECT_LE(s.keys_L.size(0), 65536 + 2504);
    EXPECT_GE(s.keys_L.min().item<int64_t>(), s.first_token);
    EXPECT_LT(s.keys_L.max().item<int64_t>(), s.first_token + s.tokens);
  }
}

TEST(DeviceAttention, MasksAreMadeOnceAndTheirRowsAreAligned) {
  PackingOnDevice packed(kBranches, at::kCPU);
  const auto trees = trees_of(kBranches);
  const at::Tensor first = packed.branch_mask(trees[0], 3, at::kFloat);
  EXPECT_EQ(first.stride(0) % 16, 0);
  EXPECT_TRUE(first.is_same(packed.branch_mask(trees[0], 3, at::kFloat)));
  EXPECT_TRUE(first.is_same(packed.branch_mask(trees[1], 3, at::kFloat)));  // the same shape
  EXPECT_FALSE(first.is_same(packed.branch_mask(trees[0], 4, at::kFloat)));
  EXPECT_TRUE(
      packed.causal_mask(3, 9, 4, at::kFloat).is_same(packed.causal_mask(3, 9, 4, at::kFloat)));
}

TEST(DeviceAttention, NeighbouringTreesOfOneShapeAreOneBatch) {
  const auto equal = equal_trees(kBranches);
  ASSERT_EQ(equal.size(), 3u);
  EXPECT_EQ(equal[0].count, 2);
  EXPECT_EQ(equal[1].first.first_token, 30);
}

TEST(DeviceAttention, GradientsAreThoseOfPlainAttention) {
  for (const Packing& packing : {kPlain, kBranches}) {
    for (const auto& window : {std::optional<int64_t>(), std::optional<int64_t>(3)}) {
      const Tensors x = random_tensors(packing.tokens(), 4, 2, 8);
      for (const auto& t : {x.query, x.key, x.value}) t.requires_grad_(true);
      PackingOnDevice packed(packing, at::kCPU);
      const at::Tensor weight = at::randn({packing.tokens(), 32});
      const auto gradients = [&](const at::Tensor& out_NQ) {
        return torch::autograd::grad({(out_NQ * weight).sum()}, {x.query, x.key, x.value});
      };
      const auto got = gradients(attend_here(x, packing, window, packed));
      const auto expected =
          gradients(plain_attention(x.query, x.key, x.value, packing, window).flatten(1));
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_TRUE(at::allclose(got[i], expected[i], 1e-4, 1e-5)) << i;
      }
    }
  }
}

// Of the last tokens of two sequences whose first `start` tokens lie in the cache.
double error_behind(int64_t start, int64_t tokens, std::optional<int64_t> window,
                    const at::TensorOptions& options, int64_t size) {
  const Packing whole{.lengths = {start + tokens, start + tokens}};
  const Tensors x = random_tensors(whole.tokens(), 4, 2, size, options);
  ModelConfig config;
  config.layers.resize(1);
  KvCache cache(config, 2, 4, {});
  const auto rows = [&](const at::Tensor& t, int64_t first, int64_t count) {
    return t.unflatten(0, {2, start + tokens}).narrow(1, first, count).flatten(0, 1);
  };
  const auto feed = [&](int64_t first, int64_t count) {
    const Packing packing{{count, count}, {first, first}};
    PackingOnDevice packed(packing, options.device());
    const AttentionCall call{.packing = packing, .window = window, .cache = &cache.state()};
    return attend_on_device(rows(x.query, first, count), rows(x.key, first, count),
                            rows(x.value, first, count), call, packed);
  };
  feed(0, start);
  return distance(feed(start, tokens),
                  rows(plain_attention(x.query, x.key, x.value, whole, window), start, tokens));
}

TEST(DeviceAttention, ContinuesWhatTheCacheHolds) {
  for (const auto& window : kWindows) {
    for (const int64_t tokens : {1, 3}) {
      EXPECT_LT(error_behind(9, tokens, window, at::TensorOptions(), 8), 1e-5);
    }
  }
}

using testing::OnCuda;

double bfloat16_error(c10::Device device, const Packing& packing, int64_t kv_heads, int64_t size,
                      std::optional<int64_t> window) {
  const Tensors x = random_tensors(packing.tokens(), 8, kv_heads, size,
                                   at::TensorOptions(device).dtype(at::kBFloat16));
  PackingOnDevice packed(packing, device);
  return distance(attend_here(x, packing, window, packed),
                  plain_attention(x.query, x.key, x.value, packing, window));
}

TEST_F(OnCuda, SequencesOfAllLengthsAndTheirBranchesEqualPlainAttention) {
  for (const Packing& packing : {kPlain, kBranches}) {
    for (const int64_t kv_heads : {2, 8}) {
      for (const int64_t size : {64, 128, 36}) {
        for (const auto& window : kWindows) {
          EXPECT_LT(bfloat16_error(device(), packing, kv_heads, size, window), 0.03)
              << kv_heads << " " << size << " " << window.value_or(0);
        }
      }
    }
  }
}

TEST_F(OnCuda, SequencesOfOneTokenAreTheirOwnValues) {
  EXPECT_LT(bfloat16_error(device(), {.lengths = {1, 1, 1}}, 2, 64, std::nullopt), 0.03);
  EXPECT_LT(bfloat16_error(device(), {.lengths = {1, 1, 1}}, 2, 64, 4), 0.03);
}

TEST_F(OnCuda, Float32EqualsPlainAttention) {
  for (const Packing& packing : {kPlain, kBranches}) {
    for (const auto& window : kWindows) {
      const Tensors x = random_tensors(packing.tokens(), 8, 2, 64, at::TensorOptions(device()));
      PackingOnDevice packed(packing, device());
      EXPECT_LT(distance(attend_here(x, packing, window, packed),
                         plain_attention(x.query, x.key, x.value, packing, window)),
                1e-4);
    }
  }
}

TEST_F(OnCuda, AttentionBehindACacheEqualsPlainAttention) {
  for (const auto& window : kWindows) {
    for (const int64_t tokens : {1, 3}) {
      for (const auto dtype : {at::kBFloat16, at::kFloat}) {
        EXPECT_LT(error_behind(9, tokens, window, at::TensorOptions(device()).dtype(dtype), 64),
                  dtype == at::kFloat ? 1e-4 : 0.03);
      }
    }
  }
}

TEST_F(OnCuda, GradientsOfManyLengthsAreThoseOfPlainAttentionAndTheSameEachTime) {
  for (const int64_t kv_heads : {2, 8}) {
    for (const auto& window : {std::optional<int64_t>(), std::optional<int64_t>(6)}) {
      const Tensors x = random_tensors(kPlain.tokens(), 8, kv_heads, 64,
                                       at::TensorOptions(device()).dtype(at::kBFloat16));
      for (const auto& t : {x.query, x.key, x.value}) t.requires_grad_(true);
      PackingOnDevice packed(kPlain, device());
      const at::Tensor weight = at::randn({kPlain.tokens(), 512}, at::kDouble);
      const auto gradients = [&](const at::Tensor& out_NQ) {
        const at::Tensor loss = (out_NQ * weight.to(out_NQ.device(), out_NQ.scalar_type())).sum();
        return torch::autograd::grad({loss}, {x.query, x.key, x.value});
      };
      const auto got = gradients(attend_here(x, kPlain, window, packed)),
                 again = gradients(attend_here(x, kPlain, window, packed));
      const auto expected =
          gradients(plain_attention(x.query, x.key, x.value, kPlain, window).flatten(1));
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_TRUE(at::equal(got[i], again[i])) << i;
        const double off = (got[i] - expected[i]).to(at::kDouble).norm().item<double>() /
                           expected[i].to(at::kDouble).norm().item<double>();
        EXPECT_LT(off, 0.02) << i;
      }
    }
  }
}

TEST_F(OnCuda, CudnnIsNeverChosenForAttention) {
  const at::Tensor x = at::zeros({1, 8, 64, 64}, at::TensorOptions(device()).dtype(at::kBFloat16));
  EXPECT_NE(at::_fused_sdp_choice(x, x, x, std::nullopt, 0.0, true),
            static_cast<int64_t>(at::SDPBackend::cudnn_attention));
}

}  // namespace
}  // namespace mop
