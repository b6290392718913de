#include "model/forward.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "kit/random_model.h"
#include "model/generate.h"

namespace mop {
namespace {
using ::testing::HasSubstr;

class Forward : public ::testing::Test {
 protected:
  Forward() {
    testing::write_random_model(folder_.path());
    model_.emplace(Model::open(folder_.path()));
    loader_.emplace(*model_, Compute{});
  }
  static at::Tensor ids(int64_t count, int64_t step = 5) {
    return at::arange(count, at::kLong).mul(step).add(3).remainder(96);
  }
  static double relative(const at::Tensor& a, const at::Tensor& b) {
    return ((a - b).abs().max() / b.abs().max()).item<double>();
  }
  testing::TempFolder folder_;
  std::optional<Model> model_;
  std::optional<WeightLoader> loader_;
};

TEST_F(Forward, NeighboursInAPackingDoNotSeeEachOther) {
  const c10::NoGradGuard no_gradient;
  const at::Tensor all_N = ids(20);
  const at::Tensor packed = run_layers(*loader_, all_N, {{6, 6, 7, 1}, {}});
  int64_t at = 0;
  for (const int64_t length : {6, 6, 7, 1}) {
    const at::Tensor alone = run_layers(*loader_, all_N.narrow(0, at, length), {{length}, {}});
    EXPECT_LE(relative(packed.narrow(0, at, length), alone), 1e-5);
    at += length;
  }
}

TEST_F(Forward, TheSizeOfPiecesChangesNothing) {
  const c10::NoGradGuard no_gradient;
  const Packing packing{{6, 6, 7, 1}, {}};
  const at::Tensor whole = run_layers(*loader_, ids(20), packing);
  for (const int64_t tokens : {1, 7, 12, 19}) {
    ForwardOptions options;
    options.chunk_tokens = tokens;
    EXPECT_LE(relative(run_layers(*loader_, ids(20), packing, options), whole), 1e-5);
  }
}

TEST(Pieces, AreLongerWhereTokensAreSmall) {
  ModelConfig config;
  const auto tokens = [&](int64_t hidden, at::ScalarType dtype) {
    config.hidden = hidden;
    return piece_tokens(config, {dtype, at::kCPU});
  };
  EXPECT_EQ(tokens(192, at::kBFloat16), 8192);
  EXPECT_EQ(tokens(192, at::kFloat), 4096);
  EXPECT_EQ(tokens(64, at::kFloat), 8192);
  EXPECT_EQ(tokens(4096, at::kBFloat16), 2048);
}

TEST_F(Forward, ARangeOfLayersContinuesAnother) {
  const c10::NoGradGuard no_gradient;
  const Packing packing{{9, 4}, {}};
  const at::Tensor embedded = embed(loader_->globals(), ids(13), {});
  const at::Tensor before = embedded.clone();
  const at::Tensor half = run_layer_range(*loader_, embedded, packing, 0, 2);
  EXPECT_TRUE(at::equal(embedded, before)) << "the caller's tensor was overwritten";
  EXPECT_TRUE(at::equal(run_layer_range(*loader_, half, packing, 2, 4),
                        run_layers(*loader_, ids(13), packing)));
}

TEST_F(Forward, TapsSeeEverySiteOfEveryPiece) {
  const c10::NoGradGuard no_gradient;
  std::map<std::pair<int64_t, Site>, std::vector<int64_t>> rows;
  std::map<Site, int64_t> columns;
  std::vector<int64_t> firsts;
  ForwardOptions options;
  options.chunk_tokens = 8;
  options.tap = [&](int64_t layer, int64_t first, const Packing& piece) -> Tap {
    if (layer == 0) firsts.push_back(first);
    return [&, layer](Site site, const at::Tensor& value) {
      rows[{layer, site}].push_back(value.size(0));
      columns[site] = value.size(1);
    };
  };
  run_layers(*loader_, ids(20), {{3, 5, 9, 3}, {}}, options);
  EXPECT_THAT(firsts, ::testing::ElementsAre(0, 2, 3));
  EXPECT_EQ(rows.size(), 4u * 7u);
  for (const auto& [place, sizes] : rows) EXPECT_THAT(sizes, ::testing::ElementsAre(8, 9, 3));
  EXPECT_EQ(columns[Site::kHeadOutput], 32);
  EXPECT_EQ(columns[Site::kNeuron], 48);
  EXPECT_EQ(columns[Site::kMlpInput], 32);
}

TEST_F(Forward, TheHeadOutputTimesTheWeightIsWhatAttentionAdds) {
  const c10::NoGradGuard no_gradient;
  std::map<Site, at::Tensor> seen;
  ForwardOptions options;
  options.tap = [&](int64_t layer, int64_t, const Packing&) -> Tap {
    if (layer != 1) return {};
    return [&](Site site, const at::Tensor& value) { seen[site] = value.clone(); };
  };
  run_layers(*loader_, ids(9), {{9}, {}}, options);
  const at::Tensor added = at::linear(seen[Site::kHeadOutput], loader_->layer(1)[Role::kOutput]);
  EXPECT_LE(relative(seen[Site::kLayerInput] + added, seen[Site::kAttentionOutput]), 1e-5);
  const at::Tensor mlp = at::linear(seen[Site::kNeuron], loader_->layer(1)[Role::kDown]);
  EXPECT_LE(relative(seen[Site::kAttentionOutput] + mlp, seen[Site::kLayerOutput]), 1e-5);
}

TEST_F(Forward, RefusesTokensOutsideTheVocabulary) {
  for (const int64_t bad : {-1, 96}) {
    try {
      run_layers(*loader_, at::tensor({1, static_cast<int>(bad)}, at::kLong), {{2}, {}});
      FAIL() << "accepted " << bad;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr(fmt::format(
                                "token id {} is outside the model's vocabulary of 96", bad)));
    }
  }
}

TEST_F(Forward, RefusesAPackingThatDoesNotFit) {
  EXPECT_THROW(run_layers(*loader_, ids(5), {{4}, {}}), Error);
  EXPECT_THROW(run_layers(*loader_, ids(5), {{2, 3}, {0}}), Error);
}

TEST_F(Forward, RefusesToContinueWhereTheCacheHoldsNothing) {
  const c10::NoGradGuard no_gradient;
  KvCache cache(model_->config(), 1, 16, {});
  ForwardOptions options;
  options.cache = &cache;
  EXPECT_THROW(run_layers(*loader_, ids(5), {{5}, {3}}, options), Error);
  run_layers(*loader_, ids(5), {{5}, {0}}, options);
  EXPECT_EQ(cache.length(0), 5);
  EXPECT_THROW(cache.truncate(0, 6), Error);
  EXPECT_THROW(run_layers(*loader_, ids(4), {{2, 2}, {}}, options), Error);
}

TEST_F(Forward, NothingInNothingOut) {
  const c10::NoGradGuard no_gradient;
  EXPECT_EQ(run_layers(*loader_, at::empty({0}, at::kLong), {}).size(0), 0);
}

TEST_F(Forward, TellsWhenALayerIsDone) {
  ForwardOptions options;
  std::vector<int64_t> done;
  options.after_layer = [&](int64_t layer) { done.push_back(layer); };
  run_layers(*loader_, ids(5), {{5}, {}}, options);
  EXPECT_THAT(done, ::testing::ElementsAre(0, 1, 2, 3));
}

TEST_F(Forward, GenerationEndsAtEosAtTheLimitAndWhenToldTo) {
  const std::vector<int64_t> prompt = {1, 5, 9};
  GenerateOptions options;
  options.max_new_tokens = 12;
  options.ignore_eos = true;
  const std::vector<int64_t> made = generate(*loader_, prompt, options);
  ASSERT_EQ(made.size(), 12u);
  options.ignore_eos = false;
  options.stop = {made[4]};
  const std::vector<int64_t> stopped = generate(*loader_, prompt, options);
  ASSERT_FALSE(stopped.empty());
  EXPECT_LE(stopped.size(), 5u);
  EXPECT_EQ(stopped.back(), made[4]);
  options.stop = {};
  options.ignore_eos = true;
  options.on_token = [count = 0](int64_t) mutable { return ++count < 3; };
  EXPECT_EQ(generate(*loader_, prompt, options),
            std::vector<int64_t>(made.begin(), made.begin() + 3));
}

TEST_F(Forward, SamplingDependsOnTheSeedAlone) {
  GenerateOptions options;
  options.max_new_tokens = 20;
  options.temperature = 3.0;
  options.ignore_eos = true;
  const auto made = [&](uint64_t seed) {
    options.seed = seed;
    return generate(*loader_, std::vector<int64_t>{1, 2}, options);
  };
  EXPECT_EQ(made(4), made(4));
  EXPECT_NE(made(4), made(5));
}

TEST_F(Forward, GenerationRefusesWhatDoesNotFit) {
  GenerateOptions options;
  options.max_new_tokens = 62;
  EXPECT_THROW(generate(*loader_, std::vector<int64_t>{}, options), Error);
  try {
    generate(*loader_, std::vector<int64_t>{1, 2, 3}, options);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(),
                HasSubstr("3 prompt tokens and 62 new ones do not fit the model's context of 64"));
  }
}

TEST(PickToken, DrawsByTheCumulatedProbability) {
  const at::Tensor logits_V = at::tensor({0.1, 0.2, 0.3, 0.4}).log();
  EXPECT_EQ(pick_token(logits_V, 0, 0), 3);
  EXPECT_EQ(pick_token(logits_V, 1, 0.0), 0);
  EXPECT_EQ(pick_token(logits_V, 1, 0.099), 0);
  EXPECT_EQ(pick_token(logits_V, 1, 0.101), 1);
  EXPECT_EQ(pick_token(logits_V, 1, 0.59), 2);
  EXPECT_EQ(pick_token(logits_V, 1, 0.61), 3);
  EXPECT_EQ(pick_token(logits_V, 1, 0.999999), 3);
  EXPECT_EQ(pick_token(at::tensor({1., 5., 5., 1.}), 0, 0), 1);
  // The quotient of a logit is infinite.
  EXPECT_EQ(pick_token(logits_V, 1e-310, 0.5), 3);
  EXPECT_EQ(pick_token(logits_V.flip(0), 1e-310, 0.5), 0);
}

}  // namespace
}  // namespace mop
