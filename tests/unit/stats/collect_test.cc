// tests/unit/stats/collect_test.cc -- what one pass gathers, against the plain slow reference.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "base/error.h"
#include "base/random.h"
#include "kit/gpu.h"
#include "kit/random_model.h"
#include "reference/slow_amp.h"
#include "stats/layer_stats.h"
#include "unit/stats/random_prompts.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Stat kBoth[] = {Stat::kHeadOutputL1, Stat::kNeuronInputAbs};

double relative_error(const at::Tensor& got, const at::Tensor& expected) {
  return ((got - expected).abs() / expected.abs()).max().item<double>();
}

// How far two orders of adding up may take a statistic of a float32 model apart, relative: a sum of
// n terms is off by about sqrt(n) roundings, and each layer adds its own to those before it.
double rounding_of(const Model& model) {
  const ModelConfig& config = model.config();
  int64_t longest = config.hidden;
  for (const LayerShape& shape : config.layers) longest = std::max(longest, shape.mlp);
  return std::numeric_limits<float>::epsilon() * std::sqrt(static_cast<double>(longest)) *
         static_cast<double>(model.num_layers());
}

class Collected : public ::testing::Test {
 protected:
  Model write(const RandomModel& what) {
    write_random_model(folder_.path() / "model", what);
    return Model::open(folder_.path() / "model");
  }
  std::vector<LayerStats> collect(const Model& model, const TokenSamples& samples,
                                  int64_t chunk = 4096, DType dtype = at::kFloat) {
    WeightLoader weights(model, {dtype, at::kCPU});
    return collect_stats(weights, samples, kBoth, silent_progress(), chunk);
  }
  at::Tensor mean(const LayerStats& stats, Stat stat) {
    return stats.mean(stat, stats.sums().at(stat).numel());
  }
  TempFolder folder_;
};

TEST_F(Collected, EqualsTheSlowReferenceInEveryFamily) {
  for (const Family& family : all_families()) {
    RandomModel what;
    what.family = std::string(family.model_type);
    const Model model = write(what);
    const TokenSamples samples = random_prompts({5, 1, 17, 9}, 96);
    const auto expected = slow_amp(model.checkpoint(), model.config(), samples.ids);
    const auto stats = collect(model, samples);
    ASSERT_EQ(stats.size(), expected.size());
    for (size_t i = 0; i < stats.size(); ++i) {
      EXPECT_LT(relative_error(mean(stats[i], Stat::kHeadOutputL1), expected[i].heads_H), 1e-5)
          << family.name << " layer " << i;
      EXPECT_LT(relative_error(mean(stats[i], Stat::kNeuronInputAbs), expected[i].neurons_I), 1e-5)
          << family.name << " layer " << i;
    }
    std::filesystem::remove_all(folder_.path() / "model");
  }
}

TEST_F(Collected, DoesNotDependOnThePieces) {
  const Model model = write({});
  const TokenSamples samples = random_prompts({5, 1, 17, 9, 30, 2}, 96);
  const auto whole = collect(model, samples);
  for (const int64_t chunk : {1, 8, 20}) {
    const auto pieces = collect(model, samples, chunk);
    for (size_t i = 0; i < whole.size(); ++i) {
      for (const Stat stat : kBoth) {
        EXPECT_LT(relative_error(mean(pieces[i], stat), mean(whole[i], stat)), rounding_of(model))
            << chunk;
      }
    }
  }
}

TEST_F(Collected, DoesNotDependOnTheOrderOfPrompts) {
  const Model model = write({});
  TokenSamples samples = random_prompts({5, 1, 17, 9}, 96);
  const auto forwards = collect(model, samples);
  std::reverse(samples.ids.begin(), samples.ids.end());
  const auto backwards = collect(model, samples, 12);
  for (const Stat stat : kBoth) {
    EXPECT_LT(relative_error(mean(backwards[3], stat), mean(forwards[3], stat)),
              rounding_of(model));
  }
}

TEST_F(Collected, EveryPromptCountsOnceHoweverLong) {
  const Model model = write({});
  TokenSamples both = random_prompts({2, 40}, 96), first, second;
  first.ids = {both.ids[0]};
  second.ids = {both.ids[1]};
  const auto a = collect(model, first), b = collect(model, second), ab = collect(model, both);
  for (const Stat stat : kBoth) {
    EXPECT_LT(relative_error(mean(ab[1], stat), (mean(a[1], stat) + mean(b[1], stat)) / 2),
              rounding_of(model));
  }
  EXPECT_EQ(ab[1].count(Stat::kNeuronInputAbs), 2);
}

TEST_F(Collected, MergesHalvesOfThePrompts) {
  const Model model = write({});
  const TokenSamples all = random_prompts({5, 1, 17}, 96);
  TokenSamples head, tail;
  head.ids = {all.ids[0]};
  tail.ids = {all.ids[1], all.ids[2]};
  auto merged = collect(model, head);
  const auto rest = collect(model, tail), expected = collect(model, all);
  for (size_t i = 0; i < merged.size(); ++i) {
    merged[i].merge(rest[i]);
    for (const Stat stat : kBoth) {
      EXPECT_LT(relative_error(mean(merged[i], stat), mean(expected[i], stat)), rounding_of(model));
    }
  }
}

TEST_F(Collected, CoversWhatIsLeftOfAPrunedModel) {
  const Model dense = write({});
  std::vector<Layer> layers = dense.layers();
  layers.erase(layers.begin() + 1);
  layers[0].heads = {2, 3};
  layers[0].kv_heads = {1};
  layers[1].neurons = {3, 4, 40};
  const auto stats = collect(dense.with_layers(layers), random_prompts({9}, 96));
  ASSERT_EQ(stats.size(), 3u);
  EXPECT_EQ(stats[0].sums().at(Stat::kHeadOutputL1).numel(), 2);
  EXPECT_EQ(stats[1].sums().at(Stat::kNeuronInputAbs).numel(), 3);
}

TEST_F(Collected, IsCloseInBfloat16) {
  RandomModel stored;
  stored.dtype = "bfloat16";
  const Model model = write(stored);
  const TokenSamples samples = random_prompts({20, 33}, 96);
  const auto exact = collect(model, samples), rough = collect(model, samples, 4096, at::kBFloat16);
  for (const Stat stat : kBoth)
    EXPECT_LT(relative_error(mean(rough[3], stat), mean(exact[3], stat)), 0.05);
}

// On a device samples are run in another order and added up there.
TEST_F(OnCuda, StatisticsEqualTheCpus) {
  TempFolder folder;
  write_random_model(folder.path());
  const Model model = Model::open(folder.path());
  const TokenSamples samples = random_prompts({5, 1, 17, 9, 5, 30, 17}, 96);
  WeightLoader there(model, {at::kFloat, device()}), here(model, {});
  const auto got = collect_stats(there, samples, kBoth),
             expected = collect_stats(here, samples, kBoth);
  for (size_t i = 0; i < expected.size(); ++i) {
    for (const Stat stat : kBoth) {
      const at::Tensor sum_U = expected[i].sums().at(stat);
      EXPECT_LT(relative_error(got[i].sums().at(stat), sum_U), 1e-4) << i;
      EXPECT_EQ(got[i].count(stat), 7);
    }
  }
}

TEST_F(Collected, NamesTheLayerThatIsNotFinite) {
  const Model model = write({});
  std::vector<Layer> layers = model.layers();
  layers[2].changed[Role::kUp] = at::full({48, 32}, INFINITY);
  try {
    collect(model.with_layers(layers), random_prompts({9}, 96));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("statistic 'neuron-input-abs' of layer 2 is not finite"));
  }
}

TEST_F(Collected, NothingAskedNothingRun) {
  WeightLoader weights(write({}), {});
  const auto stats = collect_stats(weights, {}, {});
  EXPECT_EQ(stats.size(), 4u);
  EXPECT_FALSE(stats[0].has(Stat::kHeadOutputL1));
}

TEST_F(Collected, RefusesNoSamples) { EXPECT_THROW(collect(write({}), {}), Error); }

TEST_F(Collected, ReportsTokensTimesLayers) {
  struct Listener : Progress {
    void begin(std::string_view, int64_t total) override { numbers.push_back(total); }
    void advance(int64_t done) override { numbers.push_back(done); }
    std::vector<int64_t> numbers;
  } listener;
  RandomModel two_layers;
  two_layers.layers = 2;
  WeightLoader weights(write(two_layers), {});
  collect_stats(weights, random_prompts({3, 4}, 96), kBoth, listener);
  EXPECT_THAT(listener.numbers, ElementsAre(14, 7, 14));
}

TEST_F(Collected, ComesBackFromItsFile) {
  const Model model = write({});
  const auto stats = collect(model, random_prompts({5, 6, 7}, 96));
  const auto path = folder_.path() / "stats.safetensors";
  write_stats(path, stats);
  const auto read = read_stats(path);
  ASSERT_EQ(read.size(), stats.size());
  for (size_t i = 0; i < stats.size(); ++i) {
    for (const Stat stat : kBoth) {
      EXPECT_TRUE(at::allclose(mean(read[i], stat), mean(stats[i], stat), 1e-15, 0));
      EXPECT_EQ(read[i].count(stat), 3);
    }
  }
}

TEST_F(Collected, RefusesAFileOfSomethingElse) {
  const Model model = write({});
  EXPECT_THROW(read_stats(folder_.path() / "model/model.safetensors"), Error);
}

TEST(LayerStatistics, AverageTokensThenPrompts) {
  LayerStats stats;
  stats.add(Stat::kNeuronInputAbs, at::tensor({1., 2., 3., 6.}).view({2, 2}));
  EXPECT_TRUE(
      at::equal(stats.mean(Stat::kNeuronInputAbs, 2), at::tensor({2., 4.}).to(at::kDouble)));
}

TEST(LayerStatistics, RefuseAnotherModel) {
  LayerStats stats;
  stats.add(Stat::kNeuronInputAbs, at::ones({1, 5}));
  try {
    stats.mean(Stat::kNeuronInputAbs, 3);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("covers 5 units but the layer has 3"));
  }
  EXPECT_THROW(stats.add(Stat::kNeuronInputAbs, at::ones({1, 4})), Error);
  EXPECT_THROW(stats.mean(Stat::kHeadOutputL1, 5), Error);
}

TEST(LayerStatistics, EveryRowHasItsOwnName) {
  for (const StatRow& row : all_statistics()) EXPECT_EQ(&stat_row(row.stat), &row);
  EXPECT_EQ(stat_row(Stat::kHeadOutputL1).name, "head-output-l1");
}

}  // namespace
}  // namespace mop::testing
