// tests/unit/allocate/exact_test.cc -- our rule, on numbers small enough to check by hand.
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <cmath>

#include "allocate/width.h"
#include "base/error.h"
#include "kit/configs.h"
#include "model/family.h"
#include "structure/unit.h"

namespace mop::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

WidthOptions gqa() {
  WidthOptions options;
  options.rule = WidthRule::kGqa;
  return options;
}

ModelConfig without(ModelConfig config, const WidthCounts& counts) {
  for (size_t i = 0; i < config.layers.size(); ++i) {
    LayerShape& shape = config.layers[i];
    shape.heads -= counts.kv_groups[i] * shape.group();
    shape.kv_heads -= counts.kv_groups[i];
    shape.mlp -= counts.neurons[i];
  }
  return config;
}

std::string message_of(const ModelConfig& config, const WidthOptions& options) {
  try {
    allocate_width(config, layer_worth(config), {}, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Exact, LayerWorthCountsNorms) {
  // attention 8*2*(4+4)*2 = 256, MLP 3*8*16 = 384, two norms of 8.
  EXPECT_EQ(layer_worth(make_config({})), 256 + 384 + 16);
}

TEST(Exact, RepaysTheRoundedHeadInNeurons) {
  // Budget 656 of 4 layers: attention's share 656 * 0.4 = 262.4 is 1.025 heads of 4*64 = 256. The
  // rest, 400, is 4.17 neurons of 4*24 = 96: 4 go and 16 parameters stay owed.
  const WidthCounts counts = allocate_width(make_config({}), 656, {}, WidthOptions());
  EXPECT_THAT(counts.kv_groups, Each(1));
  EXPECT_THAT(counts.neurons, Each(4));
  EXPECT_DOUBLE_EQ(counts.owed.parameters, 16);
  EXPECT_NEAR(counts.owed.attention_parameters, 6.4, 1e-9);
}

TEST(Exact, WhatWasOwedIsRemovedNextTime) {
  // 656 + 40: the rest after one head is 440, 4.58 neurons, so 5 go: 40 parameters too many.
  const WidthCounts counts = allocate_width(make_config({}), 656, Owed(40), WidthOptions());
  EXPECT_THAT(counts.neurons, Each(5));
  EXPECT_DOUBLE_EQ(counts.owed.parameters, 40 + 656 - 256 - 5 * 96);
}

TEST(Exact, AGroupThatCostsMoreThanTheBudgetWaits) {
  // tinystories-12l: a group from every layer costs 442,368 parameters, a layer is worth 405,888.
  ModelConfig config = tinystories_12l();
  Owed owed;
  for (int step = 1; step <= 5; ++step) {
    const WidthCounts counts = allocate_width(config, layer_worth(config), owed, gqa());
    EXPECT_THAT(counts.kv_groups, Each(0)) << "step " << step;
    EXPECT_LT(std::abs(counts.owed.parameters), 12 * 3 * 192 / 2.0) << "step " << step;
    config = without(config, counts);
    owed = counts.owed;
  }
  EXPECT_GT(config.layers[0].mlp, 256);  // `released` keeps 19 after the fourth
}

TEST(Exact, AWaitingGroupGoesOnceItIsAffordable) {
  // Attention owes a group already; with 6 layers it costs 221,184 of 405,888.
  ModelConfig config = tinystories_12l();
  config.layers.resize(6);
  Owed owed;
  owed.attention_parameters = 6 * 36864;
  const WidthCounts counts = allocate_width(config, layer_worth(config), owed, gqa());
  EXPECT_THAT(counts.kv_groups, Each(1));
  EXPECT_THAT(counts.neurons, Each(53));  // (405888 - 221184) / (6 * 576) = 53.4
}

TEST(Exact, AGroupGoesWhenAWholeOneIsOwed) {
  // A group of all 32 layers is 167,772,160 parameters; attention's share of a step is 0.25 of
  // that.
  const ModelConfig config = llama3_8b();
  Owed owed;
  for (const int64_t expected : {0, 0, 0, 1}) {
    const WidthCounts counts = allocate_width(config, layer_worth(config), owed, gqa());
    EXPECT_THAT(counts.kv_groups, Each(expected));
    owed = counts.owed;
  }
}

TEST(Exact, OnlyOneGroupPerLayerWaits) {
  ModelConfig config = tinystories_12l();
  Owed owed;
  owed.attention_parameters = 12 * 36864.0;
  const WidthCounts counts = allocate_width(config, layer_worth(config), owed, gqa());
  EXPECT_THAT(counts.kv_groups, Each(0));
  EXPECT_DOUBLE_EQ(counts.owed.attention_parameters, 12 * 36864.0);
}

TEST(Exact, KeepsTheMinimumOfGroups) {
  WidthOptions options = gqa();
  options.min_kv_groups = 8;
  Owed owed;
  owed.attention_parameters = 1e12;
  const WidthCounts counts = allocate_width(llama3_8b(), layer_worth(llama3_8b()), owed, options);
  EXPECT_THAT(counts.kv_groups, Each(0));
}

TEST(Exact, MlpOnlyTakesTheWholeBudgetFromNeurons) {
  WidthOptions options;
  options.rule = WidthRule::kMlpOnly;
  const WidthCounts counts = allocate_width(llama3_8b(), layer_worth(llama3_8b()), {}, options);
  EXPECT_THAT(counts.kv_groups, Each(0));
  EXPECT_THAT(counts.neurons, Each(555));
}

TEST(Exact, WidthsStayAtMultiples) {
  WidthOptions options;
  options.shape_multiple = 32;
  ModelConfig config = llama2_7b();
  const WidthCounts counts = allocate_width(config, layer_worth(config), {}, options);
  EXPECT_EQ(without(config, counts).layers[0].mlp % 32, 0);
  EXPECT_LE(std::abs(counts.owed.parameters), 32 * 16 * 3 * 4096);
}

// Heads of 2 and a multiple of 4: heads go in pairs, or not at all.
TEST(Exact, HeadsStayAtMultiplesToo) {
  WidthOptions options;
  options.shape_multiple = options.head_multiple = 4;
  const ModelConfig config = make_config({4, 8, 4, 4, 2, 16, 10});
  EXPECT_EQ(group_stride(config.layers[0], 4), 2);
  for (const double debt : {0.0, 300.0, 600.0, 1e6}) {
    Owed owed;
    owed.attention_parameters = debt;
    owed.parameters = debt;
    const WidthCounts counts = allocate_width(config, layer_worth(config), owed, options);
    const LayerShape after = without(config, counts).layers[0];
    EXPECT_EQ(after.heads * after.head_dim % 4, 0) << debt;
    EXPECT_EQ(after.mlp % 4, 0) << debt;
    EXPECT_GE(after.heads, 1) << debt;
  }
}

// What is removed is what is counted: the rest is owed, to the parameter.
TEST(Exact, MultiplesAreCountedAsTheyAre) {
  WidthOptions options = gqa();
  options.shape_multiple = 8;
  const ModelConfig config = tinystories_12l();
  const WidthCounts counts = allocate_width(config, layer_worth(config), {}, options);
  const int64_t removed = total_parameters(config) - total_parameters(without(config, counts));
  EXPECT_DOUBLE_EQ(counts.owed.parameters, static_cast<double>(layer_worth(config) - removed));
}

TEST(Exact, ReleasedKnowsNoMultiple) {
  WidthOptions options;
  options.shape_multiple = 32;
  options.budget = BudgetKind::kReleased;
  EXPECT_THAT(message_of(llama2_7b(), options),
              HasSubstr("budget 'released' does not support shape_multiple, got 32"));
}

TEST(Exact, AnOddWidthComesDownToAMultiple) {
  WidthOptions options;
  options.shape_multiple = 4;
  const ModelConfig config = make_config({4, 8, 4, 4, 2, 18, 10});
  EXPECT_EQ(
      without(config, allocate_width(config, layer_worth(config), {}, options)).layers[0].mlp % 4,
      0);
}

TEST(Exact, LayersOfDifferentShapeLoseDifferentCounts) {
  ModelConfig config = make_config({4, 8, 4, 4, 2, 16, 10});
  config.layers[0].mlp = config.layers[1].mlp = 160;
  const WidthCounts counts = allocate_width(config, layer_worth(config), {}, WidthOptions());
  EXPECT_EQ(counts.neurons[0], counts.neurons[1]);
  EXPECT_EQ(counts.neurons[2], counts.neurons[3]);
  EXPECT_GT(counts.neurons[0], 5 * counts.neurons[2]);
}

TEST(Exact, LayersWithoutAttentionOrMlpAreLeftTheirOtherHalf) {
  ModelConfig config = make_config({});
  config.layers[1].heads = config.layers[1].kv_heads = 0;
  config.layers[2].mlp = 0;
  const WidthCounts counts = allocate_width(config, layer_worth(config), {}, WidthOptions());
  EXPECT_EQ(counts.kv_groups[1], 0);
  EXPECT_EQ(counts.neurons[2], 0);
  EXPECT_GT(counts.neurons[1], 0);
}

TEST(Exact, GroupsPayWhenNeuronsRunOut) {
  // One neuron is left in each layer; a group costs 256 of the 296 that a layer is worth.
  const ModelConfig config = make_config({4, 8, 4, 4, 2, 1, 10});
  const WidthCounts counts = allocate_width(config, layer_worth(config), {}, WidthOptions());
  EXPECT_THAT(counts.kv_groups, Each(1));
  EXPECT_THAT(counts.neurons, Each(0));
  EXPECT_DOUBLE_EQ(counts.owed.parameters, 296 - 256);
}

TEST(Exact, AClosingStepMeetsItsBudget) {
  // 1.04 neurons of 96 are rounded up; what was owed is part of the 100.
  WidthOptions options;
  options.closing = true;
  const WidthCounts counts = allocate_width(make_config({}), 100, Owed(1000), options);
  EXPECT_THAT(counts.kv_groups, Each(0));
  EXPECT_THAT(counts.neurons, Each(2));
  EXPECT_DOUBLE_EQ(counts.owed.parameters, 100 - 2 * 96);
}

// 656 is a layer's worth, and may be all that remains: after a head, 4.17 neurons are rounded up.
TEST(Exact, AClosingStepMayBeOneLayersWorth) {
  WidthOptions options;
  options.closing = true;
  const WidthCounts counts = allocate_width(make_config({}), 656, Owed(1000), options);
  EXPECT_THAT(counts.kv_groups, Each(1));
  EXPECT_THAT(counts.neurons, Each(5));
}

// 1000 is 10.4 neurons of 96: 2.6 packs of 4. Three are nearer than two; of 900, 2.3, two are.
TEST(Exact, AClosingStepTakesTheNearestNumberOfPacks) {
  WidthOptions options;
  options.rule = WidthRule::kMlpOnly;
  options.shape_multiple = 4;
  options.closing = true;
  EXPECT_THAT(allocate_width(make_config({}), 1000, {}, options).neurons, Each(12));
  EXPECT_THAT(allocate_width(make_config({}), 900, {}, options).neurons, Each(8));
  EXPECT_EQ(half_pack(make_config({}), 4), 4 * 96 / 2);
}

TEST(Exact, HeadsFollowTheirOwnMultiple) {
  WidthOptions options;
  options.shape_multiple = 8;
  Owed owed;
  owed.attention_parameters = owed.parameters = 300;  // attention owes two heads: 262 + 300
  const ModelConfig config = make_config({4, 8, 4, 4, 2, 16, 10});
  EXPECT_THAT(allocate_width(config, layer_worth(config), owed, options).kv_groups, Each(2));
  options.head_multiple = 8;
  EXPECT_THAT(allocate_width(config, layer_worth(config), owed, options).kv_groups, Each(0));
}

TEST(Exact, SaysWhenNothingIsLeft) {
  EXPECT_THAT(message_of(make_config({3, 8, 1, 1, 2, 1, 10}), WidthOptions()),
              HasSubstr("cannot remove anything: layer 0 has 1 KV groups and 1 neurons left"));
}

TEST(Exact, RefusesSettingsThatMeanNothing) {
  WidthOptions options;
  options.min_kv_groups = 0;
  EXPECT_THAT(message_of(make_config({}), options),
              HasSubstr("min_kv_groups must be at least 1, got 0"));
  options = {};
  options.shape_multiple = 0;
  EXPECT_THAT(message_of(make_config({}), options),
              HasSubstr("shape_multiple must be at least 1, got 0"));
}

TEST(Lowest, TakesTheLowestAndRises) {
  EXPECT_THAT(lowest(at::tensor({5., 1., 4., 0., 3.}), 3), ElementsAre(1, 3, 4));
}

TEST(Lowest, TiesGoToTheLowerIndex) {
  EXPECT_THAT(lowest(at::tensor({2., 1., 1., 1.}), 2), ElementsAre(1, 2));
}

TEST(Lowest, RefusesWhatIsNotANumber) {
  EXPECT_THROW(lowest(at::tensor({1., NAN}), 1), Error);
  EXPECT_THROW(lowest(at::tensor({1., 2.}), 3), Error);
}

}  // namespace
}  // namespace mop::testing
