// tests/unit/plan/accounting_test.cc -- sizes without weights; the authors' figures to the
// parameter.
#include "plan/accounting.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "kit/configs.h"
#include "model/family.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kSeeds[] = {"", "LGGLLLGGLLGLGLLGGL", "GGLLGGGLGGGLLLGGLL",
                                  "LGLGGLLGLLGLGLGLGG"};

// One line of the accounting table: iteration, layers, heads, KV heads, MLP width, parameters,
// removed.
struct Row {
  int64_t iteration, layers, heads, kv_heads, mlp, parameters;
  double removed;
};

AccountOptions released(const std::string& path, const std::string& rule, int64_t iterations) {
  AccountOptions options;
  options.path = path;
  options.target.iterations = iterations;
  options.target.budget = BudgetKind::kReleased;
  options.branches["width"] = Options("width", {{"budget", "released"}, {"rule", rule}});
  return options;
}

void expect_rows(const ModelConfig& config, int seed, const std::string& rule,
                 const std::vector<Row>& rows) {
  const Accounting result = account(config, released(kSeeds[seed], rule, 18));
  ASSERT_EQ(result.steps.size(), 18u);
  for (const Row& row : rows) {
    const AccountedStep& step = result.steps[static_cast<size_t>(row.iteration - 1)];
    const std::string where = fmt::format("seed {} iteration {}", seed, row.iteration);
    EXPECT_EQ(step.layers.size(), static_cast<size_t>(row.layers)) << where;
    for (const LayerShape& shape : step.layers) {
      EXPECT_EQ(shape, (LayerShape{row.heads, row.kv_heads, 128, row.mlp})) << where;
    }
    EXPECT_EQ(step.parameters, row.parameters) << where;
    EXPECT_NEAR(result.removed_fraction(step), row.removed, 5e-5) << where;
  }
}

TEST(AccountingTable, Llama2Mha) {
  EXPECT_EQ(total_parameters(llama2_7b()), 6738415616);
  expect_rows(llama2_7b(), 1, "mha",
              {{1, 31, 32, 32, 11008, 6536032256, 0.0300},
               {2, 31, 31, 31, 10653, 6335791104, 0.0598},
               {7, 28, 29, 29, 9941, 5385605120, 0.2008},
               {11, 26, 27, 27, 9217, 4679282688, 0.3056},
               {15, 23, 26, 26, 8848, 4017090560, 0.4039},
               {18, 22, 24, 24, 8095, 3557994496, 0.4720}});
  expect_rows(llama2_7b(), 2, "mha", {{15, 26, 23, 23, 8076, 4096643072, 0.3920}});
  expect_rows(llama2_7b(), 3, "mha", {{15, 24, 25, 25, 8492, 4025028608, 0.4027}});
}

// Counted with tower and projector: 7.06 B to 5.71 B at iteration 7 (arXiv 2602.06127).
TEST(AccountingTable, Llava) {
  const ModelConfig llava = llava_7b();
  EXPECT_EQ(total_parameters(llava), 7063427072);
  expect_rows(llava, 1, "mha", {{7, 28, 29, 29, 9941, 5710616576, 0.1915}});
}

TEST(AccountingTable, Llama3MlpOnly) {
  EXPECT_EQ(total_parameters(llama3_8b()), 8030261248);
  expect_rows(llama3_8b(), 1, "mlp-only",
              {{8, 28, 32, 8, 12043, 6368874496, 0.2069},
               {12, 25, 32, 8, 11449, 5616590848, 0.3006},
               {17, 23, 32, 8, 9641, 4740333568, 0.4097}});
  expect_rows(llama3_8b(), 3, "mlp-only", {{17, 23, 32, 8, 9684, 4752486400, 0.4082}});
}

TEST(AccountingTable, Llama3Gqa) {
  expect_rows(
      llama3_8b(), 1, "gqa",
      {{8, 28, 28, 7, 12469, 6368645120, 0.2069}, {17, 23, 24, 6, 10494, 4740239360, 0.4097}});
  expect_rows(llama3_8b(), 2, "gqa", {{17, 25, 24, 6, 9961, 4897333248, 0.3901}});
}

TEST(Accounting, NamesTheLayersThatAreLeft) {
  AccountOptions options;
  options.path = "L";
  options.target.iterations = 2;
  const Accounting result = account(make_config({5}), options);
  EXPECT_EQ(result.steps[0].branch, "depth");
  EXPECT_THAT(result.steps[0].sources, ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(result.steps[1].sources, ElementsAre(0, 3, 4));
}

TEST(Accounting, ProtectedLayersStay) {
  AccountOptions options;
  options.path = "L";
  options.target.iterations = 2;
  options.protect = {2, 1};
  const Accounting result = account(make_config({6}), options);
  EXPECT_THAT(result.steps[1].sources, ElementsAre(1, 2, 4, 5));
}

TEST(Accounting, DepthNeedsThreeLayers) {
  AccountOptions options;
  options.path = "L";
  options.target.iterations = 9;
  try {
    account(make_config({4}), options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("a depth step needs at least 3 layers, the model has 2"));
  }
}

TEST(Accounting, ExactMeetsAFractionWithAShortenedLastStep) {
  for (const char* path : {"G", "LG", "LLG", kSeeds[1], kSeeds[2]}) {
    for (const bool of_blocks : {false, true}) {
      AccountOptions options;
      options.path = path;
      options.target.remove_fraction = 0.4;
      options.target.of_blocks = of_blocks;
      const Accounting result = account(tinystories_12l(), options);
      const AccountedStep& last = result.steps.back();
      const double removed =
          of_blocks ? result.block_removed_fraction(last) : result.removed_fraction(last);
      EXPECT_GE(removed, 0.4) << path;
      // at most one neuron of every layer beyond
      EXPECT_LE(removed, 0.4 + 12 * 576 / 5655744.0 + 1e-9) << path << " " << of_blocks;
    }
  }
}

TEST(Accounting, AWholeLayerGivesWayToTheBranchThatCanMeetTheTarget) {
  AccountOptions options;
  options.path = "LLLLG";
  options.target.remove_fraction = 0.2;  // 1.13 M of 5.66 M: two layers are 0.81 M, three 1.22 M
  const Accounting result = account(tinystories_12l(), options);
  ASSERT_EQ(result.steps.size(), 3u);
  EXPECT_EQ(result.steps[1].branch, "depth");
  EXPECT_EQ(result.steps[2].branch, "width");
  EXPECT_EQ(result.steps[2].layers.size(), 10u);
}

TEST(Accounting, AWholeHalfGivesWayWhereMoreThanALayersWorthRemains) {
  AccountOptions options;
  options.path = "MG";
  options.target.remove_fraction = 0.22;
  options.target.of_blocks = true;
  const Accounting result = account(tinystories_12l(), options);
  const double removed = result.block_removed_fraction(result.steps.back());
  EXPECT_GE(removed, 0.22);
  EXPECT_LE(removed, 0.22 + 12 * 576 / 4870656.0 + 1e-9) << "a neuron of every layer";
}

TEST(Accounting, ARoundOfOneLayersWorthReachesTheTarget) {
  const ModelConfig dense = make_config({8, 192, 6, 6, 32, 512, 2048});
  AccountOptions options;
  options.path = "G";
  options.target = {.remove_fraction = 0.125, .of_blocks = true, .rounds = 1};
  const Accounting result = account(dense, options);
  ASSERT_EQ(result.steps.size(), 1u);
  EXPECT_EQ(result.steps[0].budget, layer_worth(dense));
  EXPECT_GE(result.block_removed_fraction(result.steps[0]), 0.125);
}

TEST(Accounting, DepthAloneOvershoots) {
  AccountOptions options;
  options.path = "L";
  options.target.remove_fraction = 0.2;
  const Accounting result = account(tinystories_12l(), options);
  EXPECT_EQ(result.steps.size(), 3u);
  EXPECT_EQ(result.steps.back().branch, "depth");
  EXPECT_GE(result.removed_fraction(result.steps.back()), 0.2);
}

TEST(Accounting, ReleasedNeverShortens) {
  AccountOptions options = released("LG", "mha", 0);
  options.target.remove_fraction = 0.4;
  const Accounting result = account(llama2_7b(), options);
  for (size_t i = 0; i < result.steps.size(); ++i) {
    ModelConfig before = llama2_7b();
    if (i > 0) before.layers = result.steps[i - 1].layers;
    EXPECT_EQ(result.steps[i].budget, layer_worth(before));
  }
  EXPECT_GE(result.removed_fraction(result.steps.back()), 0.4);
}

TEST(Accounting, RefusesAFractionThatTheLayersDoNotHold) {
  AccountOptions options;
  options.path = "LG";
  options.target.remove_fraction = 0.9;
  try {
    account(tinystories_12l(), options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("but the layers hold only 4870656"));
  }
}

TEST(Accounting, RefusesLettersThatAreNoBranch) {
  AccountOptions options;
  options.path = "LXG";
  options.target.iterations = 1;
  try {
    account(tinystories_12l(), options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no branch has the letter 'X'"));
    EXPECT_THAT(error.what(), HasSubstr("L = depth, G = width"));
  }
}

TEST(Target, MustSayOneThing) {
  EXPECT_THROW(check_target({}), Error);
  EXPECT_THROW(check_target({3, 0.5}), Error);
  EXPECT_THROW(check_target({0, 1.5}), Error);
  EXPECT_THROW(check_target({-1, 0}), Error);
  EXPECT_NO_THROW(check_target({3, 0}));
  EXPECT_NO_THROW(check_target({0, 0.5}));
}

}  // namespace
}  // namespace mop::testing
