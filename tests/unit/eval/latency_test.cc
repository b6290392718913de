#include "eval/latency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "kit/random_model.h"
#include "model/family.h"

namespace mop {
namespace {

using ::testing::HasSubstr;

TEST(SpreadOf, IsTheMiddleAndTheEnds) {
  const Spread odd = spread_of({5, 1, 3});
  EXPECT_EQ(odd.median, 3);
  EXPECT_EQ(odd.min, 1);
  EXPECT_EQ(odd.max, 5);
  EXPECT_EQ(spread_of({4, 1, 2, 10}).median, 3);
  EXPECT_EQ(spread_of({7}).median, 7);
  EXPECT_THROW(spread_of({}), Error);
}

// Two models, three rounds; the third was disturbed for both.
TEST(Summarise, TakesRatiosRoundByRoundAndThenTheirMiddle) {
  LatencyOptions options;
  options.prompt_tokens = 8;
  options.new_tokens = 5;
  options.batch = 2;
  const LatencyReport report =
      summarise({{{0.5, 2}, {0.4, 1.6}, {4, 8}}, {{1, 4}, {1, 4}, {8, 32}}}, options);
  ASSERT_EQ(report.models.size(), 2u);
  const Latency& first = report.models[0];
  EXPECT_DOUBLE_EQ(first.first_token_seconds.median, 0.5);
  EXPECT_DOUBLE_EQ(first.token_seconds.median, 0.5);  // 2 s over the four tokens after the first
  EXPECT_DOUBLE_EQ(first.token_seconds.min, 0.4);
  EXPECT_DOUBLE_EQ(first.token_seconds.max, 2);
  EXPECT_DOUBLE_EQ(first.total_seconds.median, 2.5);
  EXPECT_DOUBLE_EQ(first.prompt_tokens_per_second.median, 32);  // 2 x 8 tokens in 0.5 s
  EXPECT_DOUBLE_EQ(first.new_tokens_per_second.median, 4);      // 2 x 4 tokens in 2 s
  ASSERT_EQ(report.ratios.size(), 1u);
  EXPECT_DOUBLE_EQ(report.ratios[0].first_token.median, 0.5);  // of 0.5, 0.4, 0.5
  EXPECT_DOUBLE_EQ(report.ratios[0].token.median, 0.4);        // of 0.5, 0.4, 0.25
  EXPECT_DOUBLE_EQ(report.ratios[0].token.min, 0.25);
  EXPECT_DOUBLE_EQ(report.ratios[0].total.median, 0.4);  // of 0.5, 0.4, 0.3
  EXPECT_DOUBLE_EQ(to_json(report)["ratios"][0]["reduction"]["total"].get<double>(), 0.6);
}

TEST(Summarise, OneNewTokenHasNoTimePerToken) {
  LatencyOptions options;
  options.new_tokens = 1;
  const LatencyReport report = summarise({{{1, 0}}, {{2, 0}}}, options);
  EXPECT_EQ(report.models[0].token_seconds.median, 0);
  EXPECT_EQ(report.ratios[0].token.median, 0);
  EXPECT_DOUBLE_EQ(report.ratios[0].total.median, 0.5);
}

class MeasureLatency : public ::testing::Test {
 protected:
  MeasureLatency() {
    testing::write_random_model(folder_.path());
    options_.prompt_tokens = 5;
    options_.new_tokens = 4;
    options_.repeats = 3;
    options_.probe_bytes = 1 << 24;
  }
  WeightLoader loader(const Model& model) {
    return WeightLoader(model, Compute{}, WeightLoader::Keep::kAll);
  }
  testing::TempFolder folder_;
  LatencyOptions options_;
};

TEST_F(MeasureLatency, MeasuresWholeAndCutModelsInTurn) {
  const Model model = Model::open(folder_.path());
  std::vector<Layer> layers = model.layers();
  layers.pop_back();
  layers[0].neurons.resize(7);
  layers[1].heads = layers[1].kv_heads = {};  // no attention
  const Model cut = model.with_layers(layers);
  for (const int64_t batch : {1, 3}) {
    options_.batch = batch;
    WeightLoader small = loader(cut), whole = loader(model);
    WeightLoader* both[] = {&small, &whole};
    const LatencyReport report = measure_latency(both, options_);
    ASSERT_EQ(report.models.size(), 2u);
    for (const Latency& latency : report.models) {
      EXPECT_GT(latency.token_seconds.min, 0);
      EXPECT_LE(latency.token_seconds.min, latency.token_seconds.max);
      EXPECT_GE(latency.total_seconds.median, latency.first_token_seconds.median);
    }
    EXPECT_EQ(report.foreign_by_round.size(), 3u);
    EXPECT_GT(report.read_bandwidth.min, 0);
    // Blocks, final norm and head in float32; keys and values of 9 tokens.
    EXPECT_EQ(report.models[1].weight_bytes, 4 * (block_parameters(model.config()) + 32 + 96 * 32));
    EXPECT_EQ(report.models[1].kv_cache_bytes, 4 * 4 * 2 * 2 * 8 * 9 * batch);
    EXPECT_EQ(report.models[0].kv_cache_bytes, 4 * 2 * 2 * 2 * 8 * 9 * batch);
    EXPECT_GT(report.models[0].bandwidth_fraction, 0);
  }
}

TEST_F(MeasureLatency, RefusesWhatDoesNotFit) {
  const Model model = Model::open(folder_.path());
  WeightLoader one = loader(model);
  WeightLoader* models[] = {&one};
  const auto text_of = [&] {
    try {
      measure_latency(models, options_);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  options_.prompt_tokens = 61;
  EXPECT_THAT(text_of(), HasSubstr("61 prompt tokens and 4 new ones do not fit the model's context "
                                   "of 64"));
  options_.prompt_tokens = 5;
  options_.prompt_tokens = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(text_of(), HasSubstr("do not fit the model's context of 64"));
  options_.prompt_tokens = 5;
  options_.batch = 65537;
  EXPECT_THAT(text_of(), HasSubstr("the batch must be at most 65536, got 65537"));
  options_.batch = 0;
  EXPECT_THAT(text_of(), HasSubstr("the batch must be at least 1, got 0"));
}

}  // namespace
}  // namespace mop
