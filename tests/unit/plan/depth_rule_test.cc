// tests/unit/plan/depth_rule_test.cc -- which layer goes, by every rule of the table.
#include "plan/depth_rule.h"

#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "plan/branch.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Scores and losses that are known.
class Known : public Measure {
 public:
  explicit Known(const std::vector<double>& values) : values_(values) {
    for (const double value : values) scores_.push_back(at::tensor({value}, at::kDouble));
  }
  const std::vector<at::Tensor>& scores(const std::string& criterion) override {
    asked.push_back(criterion);
    return scores_;
  }
  std::vector<Validation> judge(const std::vector<PlanStep>& steps) override {
    std::vector<Validation> figures;
    for (const PlanStep& step : steps) {
      judged.push_back(step.removals[0].layer);
      figures.push_back({.nll = values_[figures.size()], .kl = 0, .cosine = 0});
    }
    return figures;
  }
  std::vector<std::string> asked;
  std::vector<int32_t> judged;

 private:
  std::vector<double> values_;
  std::vector<at::Tensor> scores_;
};

// 8 layers.
class DepthRules : public ::testing::Test {
 protected:
  DepthRules() {
    write_random_model(folder_.path(), {.layers = 8});
    model_ = Model::open(folder_.path());
  }
  BranchInput input(const Options& options, const std::vector<int32_t>& protect = {}) const {
    return {model_.config(), layer_worth(model_.config()), {}, options, protect, {}};
  }
  int32_t gone(const Json& settings, Measure& measure, const std::vector<int32_t>& protect = {}) {
    const Options options("depth", settings);
    return find_branch('L').propose(input(options, protect), model_, measure).removals[0].layer;
  }
  TempFolder folder_;
  Model model_;
};

TEST_F(DepthRules, TheFirstIsTheThirdFromTheEnd) {
  Known known({0, 1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(all_depth_rules()[0].name, "third-from-last");
  EXPECT_EQ(gone(Json::object(), known), 5);
  EXPECT_EQ(gone({{"keep_last", 0}}, known), 7);
  EXPECT_THAT(known.asked, IsEmpty());
}

TEST_F(DepthRules, BlockInfluenceTakesTheLowestOfAll) {
  Known known({9, 8, 2, 3, 4, 5, 6, 1});
  EXPECT_EQ(gone({{"rule", "block-influence"}}, known), 7);
  EXPECT_THAT(known.asked, ElementsAre("block-influence"));
  EXPECT_EQ(gone({{"rule", "block-influence"}, {"keep_last", 1}}, known), 2);
  EXPECT_EQ(gone({{"rule", "block-influence"}}, known, {7, 2}), 3);
}

TEST_F(DepthRules, TaylorAndMagnitudeKeepTheFirstFourAndTheLastTwo) {
  Known known({0, 0, 0, 0, 4, 3, 0, 0});
  EXPECT_EQ(gone({{"rule", "taylor"}}, known), 5);
  EXPECT_EQ(gone({{"rule", "magnitude"}}, known), 5);
  EXPECT_THAT(known.asked, ElementsAre("taylor-layers", "magnitude-layers"));
  EXPECT_EQ(gone({{"rule", "taylor"}, {"keep_first", 0}}, known), 0);
}

TEST_F(DepthRules, PerplexityJudgesEveryModelWithoutOneLayerButTheFirstAndTheLast) {
  Known known({5, 4, NAN, 2, 3, 6});
  EXPECT_EQ(gone({{"rule", "perplexity"}}, known), 4);
  ASSERT_EQ(known.judged.size(), 6u);
  EXPECT_EQ(known.judged[0], 1);
  EXPECT_EQ(known.judged[5], 6);
  EXPECT_THAT(known.asked, IsEmpty());
}

TEST_F(DepthRules, ARuleThatHasNoFigureSaysSo) {
  Known known(std::vector<double>(8, NAN));
  EXPECT_THAT(refusal_of([&] {
                gone({{"rule", "perplexity"}}, known);
              }),
              HasSubstr("'perplexity' has no finite score for any layer"));
}

TEST_F(DepthRules, CountAndProposalAgreeOnTheSizes) {
  for (const DepthRule& rule : all_depth_rules()) {
    const Options options("depth", {{"rule", rule.name}});
    Known known({9, 8, 7, 6, 5, 4, 3, 2});
    const ShapeStep step = find_branch('L').count(input(options));
    EXPECT_EQ(step.layers.size(), 7u) << rule.name;
    EXPECT_EQ(find_branch('L').propose(input(options), model_, known).parameters,
              total_parameters(after_step(model_.config(), step)))
        << rule.name;
    EXPECT_EQ(find_branch('L').judges(options), rule.judged);
  }
}

TEST_F(DepthRules, RefuseWhereNoLayerIsLeft) {
  Known known({0, 0, 0, 0, 0, 0, 0, 0});
  const auto refusal = [&](const Json& settings, const std::vector<int32_t>& protect) {
    try {
      gone(settings, known, protect);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(refusal({{"rule", "taylor"}}, {4, 5}),
              HasSubstr("of 8 layers the first 4 and the last 2 are kept"));
  EXPECT_THAT(refusal({{"rule", "luck"}}, {}),
              HasSubstr("known: third-from-last, block-influence"));
  EXPECT_THAT(refusal({{"keep_first", -1}}, {}),
              HasSubstr("must be at least 0, at most 65536, got -1"));
}

}  // namespace
}  // namespace mop::testing
