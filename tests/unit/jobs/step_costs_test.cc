#include "jobs/step_costs.h"

#include <gmock/gmock.h>

#include "kit/random_model.h"

namespace mop {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The embedded model, 12 layers, on eight samples of eight tokens and one to judge on.
std::vector<StepCosts> costs_of(const std::string& select, const Json& more = Json::object()) {
  const auto assets = testing::demo_model().parent_path();
  Json recipe = {{"model", testing::demo_model().string()},
                 {"calibration",
                  {{"file", (assets / "text/generated-calibration.txt").string()},
                   {"samples", 8},
                   {"max_tokens", 8}}},
                 {"target", {{"iterations", 3}}},
                 {"select", select}};
  recipe.update(more);
  return step_costs(prepare(recipe_from_json(recipe), silent_progress()));
}

TEST(StepCosts, ADepthStepNeedsNoPass) {
  EXPECT_THAT(costs_of("path:GLG"),
              ElementsAre(ElementsAre(64 * 12), IsEmpty(), ElementsAre(64 * 11)));
}

TEST(StepCosts, ComparingTakesAPassForStatisticsAndOneForEachCandidate) {
  const auto costs = costs_of("perplexity");
  EXPECT_THAT(costs, SizeIs(3));
  EXPECT_THAT(costs, Each(ElementsAre(64 * 12, 8 * (12 + 2 * 12))));
}

TEST(StepCosts, GradientsAndMomentsArePassesOfTheirOwn) {
  const Json width = {{"width", {{"heads", "fisher-heads"}, {"neurons", "obs-neurons"}}}};
  EXPECT_EQ(costs_of("path:G", width)[0], (StepCosts{64 * 12 * 4, 64 * 12 * 2}));
  const Json judged = {{"depth", {{"rule", "perplexity"}}}};
  EXPECT_EQ(costs_of("path:L", judged)[0], (StepCosts{8 * (12 + 72)}));
}

TEST(StepCosts, LossesOfChangedLayersRunHalfTheModel) {
  // 12 layers, 7 matrices each, 2 losses a matrix.
  const Json flat = {{"width", {{"criterion", "magnitude"}, {"allocation", "ecoflap"}}}};
  EXPECT_EQ(costs_of("path:G", flat)[0], (StepCosts{64 * 12 * (1 + 12 * 14 / 2)}));
}

TEST(StepCosts, CountLossesWithTheSettingsOfTheirCriteria) {
  const Json noises = {{"width", {{"criterion", "magnitude"}, {"allocation", "ecoflap"}}},
                       {"ecoflap-layers", {{"noises", 3}}}};
  EXPECT_EQ(costs_of("path:G", noises)[0], (StepCosts{64 * 12 * (1 + 12 * 3 * 14 / 2)}));
  const Json groups = {{"width", {{"heads", "magnitude-heads"}, {"neurons", "mope-neurons"}}},
                       {"mope-neurons", {{"groups", 20}}}};
  EXPECT_EQ(costs_of("path:G", groups)[0], (StepCosts{64 * 12 * 4, 64 * 12 * (1 + 12 * 20 / 2)}));
}

TEST(StepCosts, TheDefaultGathersMomentsThenRepairsAndJudgesEveryCandidate) {
  const auto assets = testing::demo_model().parent_path();
  const auto costs = step_costs(
      prepare(recipe_from_json({{"model", testing::demo_model().string()},
                                {"calibration",
                                 {{"file", (assets / "text/generated-calibration.txt").string()},
                                  {"samples", 8},
                                  {"max_tokens", 8}}},
                                {"target", {{"remove", 0.3}}}}),
              silent_progress()));
  EXPECT_THAT(costs, SizeIs(2));
  EXPECT_THAT(costs, Each(ElementsAre(64 * 12 * 6, 64 * 12 * 4, 8 * (12 + 2 * 12), 64 * 12 * 4,
                                      8 * (12 + 2 * 12), 8 * (12 + 2 * 12))));
}

}  // namespace
}  // namespace mop
