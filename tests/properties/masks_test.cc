// In every family a unit that is masked, skipped or sliced away is gone in the same way.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kit/random_model.h"
#include "model/forward.h"
#include "surgery/surgery.h"

namespace mop {
namespace {

constexpr int64_t kTarget = 1;  // the layer that is cut
constexpr int64_t kVocab = 96;

struct Kind {
  std::string family, name, extra;
};
std::vector<Kind> all_kinds() {
  std::vector<Kind> kinds;
  for (const Family& family : all_families()) {
    kinds.push_back({std::string(family.model_type), std::string(family.name), ""});
  }
  kinds.push_back({"llama", "llama_bias", R"({"attention_bias":true,"mlp_bias":true})"});
  kinds.push_back(
      {"qwen3", "qwen3_bias_window",
       R"({"attention_bias":true,"use_sliding_window":true,"sliding_window":5,"max_window_layers":1})"});
  return kinds;
}
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class Masks : public ::testing::TestWithParam<Kind> {
 protected:
  Masks() {
    testing::RandomModel what;
    what.family = GetParam().family;
    what.extra = GetParam().extra;
    testing::write_random_model(folder_.path(), what);
    dense_.emplace(Model::open(folder_.path()));
    ids_N_ = at::arange(packing_.tokens(), at::kLong).mul(37).add(5).remainder(kVocab);
  }

  at::Tensor run(const Model& model, const LayerMask* mask = nullptr) const {
    WeightLoader loader(model, {});
    ForwardOptions options;
    options.mask = [&](int64_t layer) { return layer == kTarget ? mask : nullptr; };
    const at::Tensor hidden_ND = run_layers(loader, ids_N_, packing_, options);
    return logits(loader.globals(), model.config(), hidden_ND);
  }

  // The dense model with another layer kTarget.
  template <typename Change>
  Model changed(Change change) const {
    std::vector<Layer> layers = dense_->layers();
    change(layers[kTarget]);
    return dense_->with_layers(std::move(layers));
  }

  // `mask` on the dense model gives the logits of `sliced`, with and without gradients, and other
  // ones than the dense model.
  void expect_same(const LayerMask& mask, const Model& sliced) const {
    const at::Tensor differentiable_NV = run(*dense_, &mask);
    const c10::NoGradGuard no_gradient;
    const at::Tensor masked_NV = run(*dense_, &mask), sliced_NV = run(sliced);
    EXPECT_LE(relative(masked_NV, sliced_NV), 1e-5);
    EXPECT_LE(relative(differentiable_NV, sliced_NV), 1e-5);
    EXPECT_GE(relative(run(*dense_), sliced_NV), 1e-3);
  }

  static double relative(const at::Tensor& a, const at::Tensor& b) {
    return ((a - b).abs().max() / b.abs().max()).item<double>();
  }

  testing::TempFolder folder_;
  std::optional<Model> dense_;
  Packing packing_{{11, 4, 4, 1, 9}, {}};
  at::Tensor ids_N_;
};

TEST_P(Masks, AMaskedKvGroupIsASlicedOne) {
  // 4 heads, 2 groups: the second group goes.
  LayerMask mask;
  mask.heads_H = at::tensor({1.f, 1.f, 0.f, 0.f});
  expect_same(mask, changed([](Layer& layer) {
                layer.heads = {0, 1};
                layer.kv_heads = {0};
              }));
}

TEST_P(Masks, AMaskedHeadOfEachGroupIsASlicedOne) {
  LayerMask mask;
  mask.heads_H = at::tensor({0.f, 1.f, 1.f, 0.f});
  expect_same(mask, changed([](Layer& layer) { layer.heads = {1, 2}; }));
}

TEST_P(Masks, MaskedNeuronsAreSlicedOnes) {
  LayerMask mask;
  mask.neurons_I = at::ones({48});
  IndexList kept;
  for (int32_t i = 0; i < 48; ++i) i % 3 == 1 ? void(mask.neurons_I[i].zero_()) : kept.push_back(i);
  expect_same(mask, changed([&](Layer& layer) { layer.neurons = kept; }));
}

TEST_P(Masks, AMaskedAttentionHalfIsASkippedOne) {
  LayerMask mask;
  mask.attention = at::zeros({});
  expect_same(mask, changed([](Layer& layer) { layer.heads = layer.kv_heads = {}; }));
  LayerRemoval removal;
  removal.layer = kTarget;
  removal.attention = true;
  expect_same(mask, apply({"", {removal}, {}, 0}, *dense_));
}

TEST_P(Masks, AMaskedMlpHalfIsASkippedOne) {
  LayerMask mask;
  mask.mlp = at::zeros({});
  expect_same(mask, changed([](Layer& layer) { layer.neurons = {}; }));
  LayerRemoval removal;
  removal.layer = kTarget;
  removal.mlp = true;
  expect_same(mask, apply({"", {removal}, {}, 0}, *dense_));
}

TEST_P(Masks, AMaskedLayerIsADroppedOneAndASkippedOne) {
  LayerMask mask;
  mask.layer = at::zeros({});
  std::vector<Layer> layers = dense_->layers();
  layers.erase(layers.begin() + kTarget);
  expect_same(mask, dense_->with_layers(layers));
  expect_same(mask,
              changed([](Layer& layer) { layer.heads = layer.kv_heads = layer.neurons = {}; }));
}

// Channels go from all layers, the embedding and the head.
TEST_P(Masks, MaskedHiddenChannelsAreSlicedOnes) {
  IndexList removed, kept;
  for (int32_t i = 0; i < 32; ++i) (i % 4 == 1 ? removed : kept).push_back(i);
  LayerMask mask;
  mask.hidden_D = at::ones({32});
  for (const int32_t i : removed) mask.hidden_D[i] = 0;
  const auto masked = [&] {
    WeightLoader loader(*dense_, {});
    ForwardOptions options;
    options.mask = [&](int64_t) { return &mask; };
    const at::Tensor hidden_ND = run_layers(loader, ids_N_, packing_, options);
    return logits(loader.globals(), dense_->config(), hidden_ND);
  };
  const Model sliced = dense_->with_channels(kept);
  PlanStep step;
  step.channels = removed;
  const at::Tensor differentiable_NV = masked();
  const c10::NoGradGuard no_gradient;
  // The norms of queries and keys see eps * 32 / 24, too: a millionth of what they give.
  const double tolerance = GetParam().family == "qwen3" ? 2e-5 : 1e-5;
  const at::Tensor masked_NV = masked(), sliced_NV = run(sliced);
  EXPECT_LE(relative(masked_NV, sliced_NV), tolerance);
  EXPECT_LE(relative(differentiable_NV, sliced_NV), tolerance);
  EXPECT_GE(relative(run(*dense_), sliced_NV), 1e-3);
  EXPECT_TRUE(at::equal(run(apply(step, *dense_)), sliced_NV));
}

TEST_P(Masks, RemovingNothingGivesTheSameBits) {
  const c10::NoGradGuard no_gradient;
  const at::Tensor before_NV = run(*dense_);
  EXPECT_TRUE(at::equal(run(changed([](Layer&) {})), before_NV));
  LayerMask ones;
  ones.heads_H = at::ones({4});
  ones.neurons_I = at::ones({48});
  EXPECT_TRUE(at::equal(run(*dense_, &ones), before_NV));
  EXPECT_TRUE(at::equal(run(dense_->with_channels(all_indices(32))), before_NV));
  EXPECT_TRUE(at::equal(run(*dense_), before_NV));
}

TEST_P(Masks, AGateBetweenZeroAndOneScalesWhatIsAdded) {
  const c10::NoGradGuard no_gradient;
  LayerMask half;
  half.heads_H = at::full({4}, 0.5);
  LayerMask same;
  same.attention = at::full({}, 0.5);
  // A bias of o_proj is no head's: only the scalar gate reaches it.
  const bool output_bias = dense_->config().attention_bias && GetParam().family != "qwen2";
  if (!output_bias) {
    EXPECT_LE(relative(run(*dense_, &half), run(*dense_, &same)), 1e-5);
  }
  LayerMask layer;
  layer.layer = at::full({}, 0.5);
  EXPECT_GE(relative(run(*dense_, &layer), run(*dense_)), 1e-3);
}

// The gradient of each part of a mask is the change that a small change of it makes.
TEST_P(Masks, GradientsFlowThroughEveryPart) {
  const std::pair<const char*, at::Tensor LayerMask::*> parts[] = {
      {"heads", &LayerMask::heads_H},       {"neurons", &LayerMask::neurons_I},
      {"attention", &LayerMask::attention}, {"mlp", &LayerMask::mlp},
      {"layer", &LayerMask::layer},         {"hidden", &LayerMask::hidden_D}};
  LayerMask mask{at::full({4}, 0.7), at::full({48}, 0.8), at::full({}, 0.9),
                 at::full({}, 0.6),  at::full({}, 0.5),   at::full({32}, 0.9)};
  const auto loss = [&] { return run(*dense_, &mask).log_softmax(1).select(1, 7).mean(); };
  for (const auto& [name, part] : parts) (mask.*part).set_requires_grad(true);
  loss().backward();
  for (const auto& [name, part] : parts) {
    SCOPED_TRACE(name);
    const at::Tensor gradient = (mask.*part).grad().flatten();
    ASSERT_TRUE(gradient.defined());
    EXPECT_GT(gradient.abs().max().item<double>(), 1e-5);
    const c10::NoGradGuard no_gradient;
    const int64_t at = gradient.abs().argmax().item<int64_t>();
    at::Tensor entry = (mask.*part).flatten()[at];
    const double step = 0.01;
    entry.add_(step);
    const double above = loss().item<double>();
    entry.sub_(2 * step);
    const double below = loss().item<double>();
    entry.add_(step);
    const double expected = gradient[at].item<double>();
    EXPECT_NEAR((above - below) / (2 * step), expected, 0.05 * std::abs(expected) + 2e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, Masks, ::testing::ValuesIn(all_kinds()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace mop
