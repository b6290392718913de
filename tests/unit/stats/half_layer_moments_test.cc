// tests/unit/stats/half_layer_moments_test.cc -- second moments of half layers, against the whole
// model in float64.
#include "stats/half_layer_moments.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/random.h"
#include "kit/gpu.h"
#include "kit/random_model.h"
#include "reference/slow_moments.h"
#include "unit/stats/random_prompts.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// How far rounding to float32 may take a moment from the exact one, relative to its largest number:
// a sum of n terms is off by about sqrt(n) roundings, each layer adds its own on the way there and
// on the way back, and a moment is a product of two such values.
double moment_rounding_of(const Model& model) {
  const ModelConfig& config = model.config();
  int64_t longest = std::max(config.hidden, config.vocab);
  for (const LayerShape& shape : config.layers) longest = std::max(longest, shape.mlp);
  return 2 * std::numeric_limits<float>::epsilon() * std::sqrt(static_cast<double>(longest)) * 2 *
         static_cast<double>(model.num_layers() + 1);
}

double off(const at::Tensor& got, const at::Tensor& expected) {
  const at::Tensor wide = got.to(at::kCPU, at::kDouble);
  return ((wide - expected).abs().max() / expected.abs().max()).item<double>();
}

class Moments : public ::testing::Test {
 protected:
  Model write(const RandomModel& what = {}) {
    write_random_model(folder_.path() / "model", what);
    return Model::open(folder_.path() / "model");
  }

  std::vector<HalfLayerMoments> walk(const Model& model, const TokenSamples& samples,
                                     const MomentsOptions& options = {},
                                     const Compute& compute = {}) {
    std::vector<HalfLayerMoments> all;
    walk_half_layer_moments(
        model, compute, samples, folder_.path(),
        [&](const HalfLayerMoments& moments) { all.push_back(moments); }, silent_progress(),
        options);
    return all;
  }

  void expect_equal_the_reference(const Model& model, const TokenSamples& samples,
                                  const std::string& what) {
    const SlowMomentsOfHalves expected = slow_moments(model, samples.ids);
    const auto got = walk(model, samples);
    ASSERT_EQ(got.size(), expected.size()) << what;
    for (const HalfLayerMoments& moments : got) {
      const SlowMoments& slow = expected.at({moments.layer, moments.half});
      const std::string where = what + ", layer " + std::to_string(moments.layer) + " " +
                                (moments.half == Half::kMlp ? "MLP" : "attention");
      EXPECT_LT(off(moments.gram_KK, slow.gram_KK), moment_rounding_of(model)) << where;
      EXPECT_LT(off(moments.gradients_DD, slow.gradients_DD), moment_rounding_of(model)) << where;
      EXPECT_EQ(moments.tokens, samples.tokens());
    }
  }

  // A layer less; KV groups, neurons and halves less; a tensor with other values.
  static Model pruned(const Model& dense) {
    std::vector<Layer> layers = dense.layers();
    layers.push_back(layers[1]);
    layers.erase(layers.begin() + 1);
    layers[0].heads = {2, 3}, layers[0].kv_heads = {1};
    layers[1].neurons = {3, 4, 40};
    layers[2].heads = {}, layers[2].kv_heads = {};
    layers[3].neurons = {};
    layers.push_back(dense.layers()[0]);
    layers[4].heads = layers[4].kv_heads = layers[4].neurons = {};
    at::manual_seed(3);
    layers[1].changed[Role::kDown] = at::randn({32, 3});
    layers[0].changed[Role::kOutput] = at::randn({32, 16}) / 4;
    return dense.with_layers(layers);
  }

  TempFolder folder_;
};

TEST_F(Moments, EqualTheWholeModelsInFloat64InEveryFamily) {
  for (const Family& family : all_families()) {
    RandomModel what;
    what.family = std::string(family.model_type);
    expect_equal_the_reference(write(what), random_prompts({5, 2, 17, 9}), what.family);
    std::filesystem::remove_all(folder_.path() / "model");
  }
}

TEST_F(Moments, EqualThemWithOneKvHeadAndATiedEmbedding) {
  expect_equal_the_reference(write({.kv_heads = 1, .tied = true}), random_prompts({12, 3}), "tied");
}

TEST_F(Moments, EqualThemForAPrunedModelWithChangedTensors) {
  expect_equal_the_reference(pruned(write()), random_prompts({5, 2, 17, 9}), "pruned");
}

TEST_F(Moments, KnowWhatTheNextHalfAdds) {
  const TokenSamples samples = random_prompts({5, 2, 17, 9});
  for (const bool cut : {false, true}) {
    const Model dense = write();
    const Model model = cut ? pruned(dense) : dense;
    const SlowMomentsOfHalves expected = slow_moments(model, samples.ids);
    size_t last = 0;
    for (const auto& moments : walk(model, samples, {.look_ahead = true, .piece_tokens = 9})) {
      const SlowMoments& slow = expected.at({moments.layer, moments.half});
      EXPECT_LT(off(moments.gradients_DD, slow.gradients_DD), rounding_of(model));
      ASSERT_EQ(moments.next_DK.defined(), slow.next_DK.defined()) << moments.layer;
      if (!slow.next_DK.defined()) {
        ++last;
        continue;
      }
      // A difference of hidden states, which are larger.
      EXPECT_LT(off(moments.next_DK, slow.next_DK), 8 * rounding_of(model)) << moments.layer;
      EXPECT_LT(off(moments.next_DD, slow.next_DD), 8 * rounding_of(model)) << moments.layer;
    }
    EXPECT_EQ(last, 1u);
    std::filesystem::remove_all(folder_.path() / "model");
  }
}

TEST_F(Moments, ComeFromTheLastHalfToTheFirst) {
  std::vector<std::pair<int64_t, Half>> order;
  for (const auto& moments : walk(pruned(write()), random_prompts({4}))) {
    order.emplace_back(moments.layer, moments.half);
  }
  EXPECT_THAT(order, ElementsAre(std::pair(3, Half::kAttention), std::pair(2, Half::kMlp),
                                 std::pair(1, Half::kMlp), std::pair(1, Half::kAttention),
                                 std::pair(0, Half::kMlp), std::pair(0, Half::kAttention)));
}

TEST_F(Moments, DoNotDependOnThePieces) {
  const Model model = write();
  const TokenSamples samples = random_prompts({5, 2, 17, 9, 9, 30, 2});
  const auto whole = walk(model, samples);
  for (const int64_t tokens : {1, 18, 40}) {
    const auto pieces = walk(model, samples, {.piece_tokens = tokens});
    ASSERT_EQ(pieces.size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) {
      EXPECT_LT(off(pieces[i].gram_KK, whole[i].gram_KK), moment_rounding_of(model)) << tokens;
      EXPECT_LT(off(pieces[i].gradients_DD, whole[i].gradients_DD), moment_rounding_of(model))
          << tokens;
    }
  }
}

TEST_F(Moments, WithoutGradientsComeForwardsAndAreTheSame) {
  const Model model = pruned(write());
  const TokenSamples samples = random_prompts({5, 2, 17, 9});
  auto both = walk(model, samples);
  const auto forwards = walk(model, samples, {.gradients = false, .piece_tokens = 18});
  std::reverse(both.begin(), both.end());
  ASSERT_EQ(forwards.size(), both.size());
  for (size_t i = 0; i < both.size(); ++i) {
    EXPECT_EQ(forwards[i].layer, both[i].layer);
    EXPECT_EQ(forwards[i].half, both[i].half);
    EXPECT_FALSE(forwards[i].gradients_DD.defined());
    EXPECT_LT(off(forwards[i].gram_KK, both[i].gram_KK), moment_rounding_of(model));
  }
}

TEST_F(Moments, AreTheSameBytesAgain) {
  const Model model = write();
  const TokenSamples samples = random_prompts({5, 2, 17, 9});
  const auto once = walk(model, samples), again = walk(model, samples);
  for (size_t i = 0; i < once.size(); ++i) {
    EXPECT_TRUE(at::equal(once[i].gram_KK, again[i].gram_KK));
    EXPECT_TRUE(at::equal(once[i].gradients_DD, again[i].gradients_DD));
    EXPECT_TRUE(at::equal(once[i].gram_KK, once[i].gram_KK.t()));
  }
}

TEST_F(Moments, LeaveOutSamplesOfOneToken) {
  const Model model = write();
  const auto with = walk(model, random_prompts({9, 1})), without = walk(model, random_prompts({9}));
  EXPECT_EQ(with[0].tokens, 9);
  EXPECT_TRUE(at::equal(with[0].gram_KK, without[0].gram_KK));
  EXPECT_THAT(
      [&] {
        walk(model, random_prompts({1, 1}));
      },
      ThrowsMessage<Error>(HasSubstr("no calibration sample has at least two tokens")));
  EXPECT_THAT([&] { walk(model, {}, {.gradients = false}); },
              ThrowsMessage<Error>(HasSubstr("no calibration sample has at least two tokens")));
}

TEST_F(Moments, AreCloseInBfloat16) {
  const Model model = write({.dtype = "bfloat16"});
  const TokenSamples samples = random_prompts({20, 33});
  const auto exact = walk(model, samples), rough = walk(model, samples, {}, {at::kBFloat16});
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_EQ(rough[i].gram_KK.scalar_type(), at::kFloat);
    EXPECT_LT(off(rough[i].gram_KK, exact[i].gram_KK), 0.05);
    EXPECT_LT(off(rough[i].gradients_DD, exact[i].gradients_DD), 0.05);
  }
}

TEST_F(Moments, NameTheLayerThatIsNotFinite) {
  const Model model = write();
  std::vector<Layer> layers = model.layers();
  layers[2].changed[Role::kUp] = at::full({48, 32}, INFINITY);
  const Model broken = model.with_layers(layers);
  EXPECT_THAT([&] { walk(broken, random_prompts({9}), {.gradients = false}); },
              ThrowsMessage<Error>(HasSubstr("activations of layer 2's MLP are not finite")));
  EXPECT_THAT([&] { walk(broken, random_prompts({9})); },
              ThrowsMessage<Error>(HasSubstr("layer 3's MLP are not finite")));
}

TEST_F(Moments, LeaveNothingBehind) {
  const Model model = write();
  const auto files = [&] {
    return std::distance(std::filesystem::directory_iterator(folder_.path()), {});
  };
  const auto before = files();
  walk(model, random_prompts({5}));
  EXPECT_EQ(files(), before);
}

TEST_F(Moments, ReportTheirProgress) {
  struct Listener : Progress {
    void begin(std::string_view, int64_t total) override { numbers.push_back(total); }
    void advance(int64_t done) override { numbers.push_back(done); }
    std::vector<int64_t> numbers;
  } listener;
  walk_half_layer_moments(
      write({.layers = 2}), {}, random_prompts({3, 4}), folder_.path(),
      [](const HalfLayerMoments&) {}, listener);
  EXPECT_THAT(listener.numbers, ElementsAre(8, 1, 2, 5, 8));
}

TEST_F(OnCuda, MomentsEqualTheCpus) {
  TempFolder folder;
  write_random_model(folder.path() / "model");
  const Model model = Model::open(folder.path() / "model");
  std::vector<HalfLayerMoments> here, there;
  const auto collect = [&](const Compute& compute, std::vector<HalfLayerMoments>& all) {
    walk_half_layer_moments(model, compute, random_prompts({5, 17, 9, 5, 30, 17}), folder.path(),
                            [&](const HalfLayerMoments& moments) { all.push_back(moments); });
  };
  collect({}, here);
  collect({at::kFloat, device()}, there);
  ASSERT_EQ(there.size(), here.size());
  for (size_t i = 0; i < here.size(); ++i) {
    EXPECT_LT(off(there[i].gram_KK, here[i].gram_KK.to(at::kDouble)), 1e-4) << i;
    EXPECT_LT(off(there[i].gradients_DD, here[i].gradients_DD.to(at::kDouble)), 1e-4) << i;
  }
}

}  // namespace
}  // namespace mop::testing
