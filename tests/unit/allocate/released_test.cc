// tests/unit/allocate/released_test.cc -- the scripts' arithmetic, errors included.
#include <gmock/gmock.h>

#include "allocate/width.h"
#include "base/error.h"
#include "kit/configs.h"
#include "model/family.h"

namespace mop::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

WidthCounts released(const ModelConfig& config, WidthRule rule, const Owed& owed = {}) {
  WidthOptions options;
  options.budget = BudgetKind::kReleased;
  options.rule = rule;
  return allocate_width(config, layer_worth(config), owed, options);
}

TEST(Released, MhaRoundsHeadsAndRepaysTheirFractionInNeurons) {
  // rho = 202383360 / (31 * 202375168) = 0.0322593: 1.032 heads, 0.032 + 355.1 neurons.
  ModelConfig config = llama2_7b();
  config.layers.resize(31);
  const WidthCounts counts = released(config, WidthRule::kMha);
  EXPECT_THAT(counts.kv_groups, Each(1));
  EXPECT_THAT(counts.neurons, Each(355));
}

TEST(Released, MhaRoundsHalfToEven) {
  // One layer, budget 0.625 of attention and MLP: 2.5 heads -> 2, then 0.5 + 10 neurons -> 10.
  WidthOptions options;
  options.budget = BudgetKind::kReleased;
  options.rule = WidthRule::kMha;
  const ModelConfig config = make_config({1, 8, 4, 4, 2, 16, 10});
  const int64_t attention_and_mlp = 8 * 2 * 16 + 3 * 8 * 16;
  const WidthCounts counts = allocate_width(config, attention_and_mlp * 5 / 8, {}, options);
  EXPECT_EQ(counts.kv_groups[0], 2);
  EXPECT_EQ(counts.neurons[0], 10);
}

TEST(Released, MlpOnlyLeavesHeadsAlone) {
  const WidthCounts counts = released(llama3_8b(), WidthRule::kMlpOnly);
  EXPECT_THAT(counts.kv_groups, Each(0));
  EXPECT_THAT(counts.neurons, Each(555));  // 14336 * 218112000 / (32 * 176160768)
}

TEST(Released, GqaTakesAGroupWhenAWholeOneIsOwed) {
  Owed owed;
  owed.groups = 0.9;
  const WidthCounts counts = released(llama3_8b(), WidthRule::kGqa, owed);
  EXPECT_THAT(counts.kv_groups, Each(1));
  EXPECT_NEAR(counts.owed.groups, 0.9 + 0.25 - 1, 1e-3);
}

TEST(Released, GqaKeepsTwoGroups) {
  ModelConfig config = llama3_8b();
  for (LayerShape& shape : config.layers) shape.kv_heads = 2, shape.heads = 8;
  Owed owed;
  owed.groups = 5;
  EXPECT_THAT(released(config, WidthRule::kGqa, owed).kv_groups, Each(0));
}

// The failure that `exact` mends: the fourth width step of a narrow model takes a group that costs
// more than the budget, and the scripts' negative slice keeps 19 of 350 neurons.
TEST(Released, GqaCanDestroyANarrowModel) {
  ModelConfig config = tinystories_12l();
  Owed owed;
  for (int step = 1; step <= 4; ++step) {
    const WidthCounts counts = released(config, WidthRule::kGqa, owed);
    owed = counts.owed;
    if (step == 4) {
      EXPECT_THAT(counts.kv_groups, Each(1));
      EXPECT_EQ(config.layers[0].mlp, 350);
    }
    for (LayerShape& shape : config.layers) shape.mlp -= counts.neurons[0];
  }
  EXPECT_EQ(config.layers[0].mlp, 19);
}

TEST(Released, RefusesLayersThatDiffer) {
  ModelConfig config = tinystories_12l();
  config.layers[5].mlp = 100;
  try {
    released(config, WidthRule::kGqa);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(
        error.what(),
        HasSubstr("needs equal layers, but layer 5 has 6 heads, 3 KV heads and 100 neurons"));
    EXPECT_THAT(error.what(), HasSubstr("use budget 'exact'"));
  }
}

TEST(Released, SaysWhenNothingIsLeft) {
  const ModelConfig config = make_config({3, 8, 1, 1, 2, 1, 10});
  try {
    released(config, WidthRule::kMha);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("removes nothing: layers have 1 KV groups and 1 neurons left"));
  }
}

TEST(Rules, AreFoundByName) {
  EXPECT_EQ(rule_from_name("mlp-only"), WidthRule::kMlpOnly);
  EXPECT_EQ(rule_name(WidthRule::kGqa), "gqa");
  EXPECT_EQ(budget_from_name("released"), BudgetKind::kReleased);
  EXPECT_EQ(budget_name(BudgetKind::kExact), "exact");
  EXPECT_THROW(rule_from_name("llama3"), Error);
}

TEST(Rules, FollowTheModel) {
  EXPECT_EQ(default_rule(llama2_7b()), WidthRule::kMha);
  EXPECT_EQ(default_rule(llama3_8b()), WidthRule::kGqa);
}

TEST(Rules, MhaRefusesGroupedQueries) {
  try {
    released(llama3_8b(), WidthRule::kMha);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("layer 0 has 8 and 32"));
  }
}

}  // namespace
}  // namespace mop::testing
