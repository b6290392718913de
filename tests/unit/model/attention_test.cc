// tests/unit/model/attention_test.cc -- a sliding window over prompts longer than a block of
// queries.
#include "model/attention.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "kit/plain_attention.h"
#include "kit/random_model.h"
#include "model/forward.h"

namespace mop {
namespace {

TEST(WindowedAttention, EqualsPlainAttentionOverSeveralBlocksOfQueries) {
  at::manual_seed(3);
  const Packing packing{{1300}, {}};
  const at::Tensor query = at::randn({1300, 4, 8}), key = at::randn({1300, 2, 8}),
                   value = at::randn({1300, 2, 8});
  for (const int64_t window : {1, 300, 700, 1299, 1300, 5000}) {
    const at::Tensor expected = testing::plain_attention(query, key, value, packing, window);
    const at::Tensor got = attend(query, key, value, {.packing = packing, .window = window});
    EXPECT_LT((got - expected.flatten(1)).abs().max().item<double>(), 1e-5) << window;
  }
}

TEST(WindowedAttention, ContinuesBehindACacheAsInOnePass) {
  const c10::NoGradGuard no_gradient;
  testing::TempFolder folder;
  testing::write_random_model(
      folder.path(),
      {.family = "mistral", .layers = 2, .context = 2000, .extra = R"({"sliding_window": 300})"});
  const Model model = Model::open(folder.path());
  WeightLoader weights(model, Compute{});
  const at::Tensor ids_N = at::arange(1300, at::kLong).mul(5).remainder(96);
  const at::Tensor whole_ND = run_layers(weights, ids_N, {{1300}, {}});
  KvCache cache(model.config(), 1, 1300, Compute{});
  ForwardOptions options;
  options.cache = &cache;
  run_layers(weights, ids_N.narrow(0, 0, 600), {{600}, {0}}, options);
  const at::Tensor rest_ND =
      run_layers(weights, ids_N.narrow(0, 600, 700), {{700}, {600}}, options);
  EXPECT_LT((rest_ND - whole_ND.narrow(0, 600, 700)).abs().max().item<double>(), 1e-4);
}

}  // namespace
}  // namespace mop
