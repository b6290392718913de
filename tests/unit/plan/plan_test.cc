// tests/unit/plan/plan_test.cc -- plans on paper.
#include "plan/plan.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "kit/refusal.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

PrunePlan example() {
  PlanStep depth{"depth", {{7, true, {}, {}, {}}}, {}, 900};
  PlanStep width{
      "width", {{2, false, {0, 1}, {0}, {0, 1, 2, 5, 9, 10}}, {3, false, {}, {}, {4}}}, {}, 800};
  width.owed.parameters = -12.25;
  width.owed.groups = 0.1 + 0.2;
  return {"abc", 1000, {depth, width}};
}

std::string refusal(const std::string& layers) {
  const Json json = Json::parse(R"({"branch":"width","parameters":5,"layers":)" + layers + "}");
  try {
    step_from_json(json, "plan.json, steps[3]");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Plan, ComesBackFromJsonUnchanged) {
  const PrunePlan plan = example();
  const std::string text = to_text(to_json(plan));
  EXPECT_EQ(plan_from_json(Json::parse(text), "plan.json"), plan);
  EXPECT_EQ(to_text(to_json(plan_from_json(Json::parse(text), "plan.json"))), text);
}

TEST(Plan, OnlyAPlanWithValuesIsOfTheSecondVersion) {
  PrunePlan plan = example();
  EXPECT_EQ(to_json(plan)["version"], 1);
  plan.values = {"..", {{"model.layers.2.mlp.down_proj.weight", "ab12"}}, 810};
  const Json json = to_json(plan);
  EXPECT_EQ(json["version"], 2);
  EXPECT_EQ(plan_from_json(json, "plan.json"), plan);
  for (const char* key : {"checkpoint", "parameters", "sha256"}) {
    Json damaged = json;
    damaged["values"].erase(key);
    EXPECT_THROW(plan_from_json(damaged, "plan.json"), Error) << key;
  }
}

TEST(Plan, WhatMopPlanWritesIsNoPlanOfARun) {
  Json sizes = to_json(example());
  sizes.erase("version");
  try {
    plan_from_json(sizes, "sizes.json");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), HasSubstr("give run/plan.json of a pruned model"));
  }
}

TEST(Plan, APlanThatCutsATowerIsOfTheFourthVersion) {
  PrunePlan plan = example();
  PlanStep vision{"vision", {}, {}, 700, {{0, false, {1, 3}, {1, 3}, {0, 1, 2}}}};
  plan.steps.push_back(vision);
  const Json json = to_json(plan);
  EXPECT_EQ(json["version"], 4);
  EXPECT_EQ(json["steps"][2]["tower"][0],
            Json::parse(R"({"layer":0,"heads":"1,3","neurons":"0-2"})"));
  EXPECT_FALSE(json["steps"][1].contains("tower"));
  EXPECT_EQ(plan_from_json(json, "plan.json"), plan);
  for (const char* bad : {R"({"layer":0,"whole":true})", R"({"layer":0,"attention":true})",
                          R"({"layer":0,"heads":"1","kv_heads":"1"})"}) {
    Json damaged = json;
    damaged["steps"][2]["tower"][0] = Json::parse(bad);
    EXPECT_THAT(refusal_of([&] { plan_from_json(damaged, "plan.json"); }),
                HasSubstr("only heads and neurons can be removed"));
  }
}

TEST(Plan, APlanThatRemovesHalvesIsOfTheThirdVersion) {
  PrunePlan plan = example();
  const LayerRemoval attention{4, false, {}, {}, {1, 2}, true, false};
  const LayerRemoval mlp{5, false, {}, {}, {}, false, true};
  plan.steps.push_back({"damage", {attention, mlp}, {}, 700});
  const Json json = to_json(plan);
  EXPECT_EQ(json["version"], 3);
  EXPECT_EQ(json["steps"][2]["layers"][0],
            Json::parse(R"({"layer":4,"attention":true,"neurons":"1-2"})"));
  EXPECT_EQ(json["steps"][2]["layers"][1], Json::parse(R"({"layer":5,"mlp":true})"));
  EXPECT_EQ(plan_from_json(json, "plan.json"), plan);
  plan.values = {"..", {{"model.layers.2.mlp.down_proj.weight", "ab12"}}, 690};
  EXPECT_EQ(to_json(plan)["version"], 3);
  EXPECT_EQ(plan_from_json(to_json(plan), "plan.json"), plan);
}

TEST(Plan, APlanThatRemovesHiddenChannelsIsOfTheFourthVersion) {
  PrunePlan plan = example();
  PlanStep hidden{"hidden", {{3, false, {}, {}, {7}}}, {}, 700};
  hidden.channels = {0, 1, 2, 9};
  plan.steps.push_back(hidden);
  const Json json = to_json(plan);
  EXPECT_EQ(json["version"], 4);
  EXPECT_EQ(json["steps"][2]["hidden_channels"], "0-2,9");
  EXPECT_FALSE(json["steps"][1].contains("hidden_channels"));
  EXPECT_EQ(plan_from_json(json, "plan.json"), plan);
  Json damaged = json;
  damaged["steps"][2]["hidden_channels"] = "9,0";
  EXPECT_THAT(refusal_of([&] { plan_from_json(damaged, "plan.json"); }),
              HasSubstr("plan.json, steps[2].hidden_channels"));
}

TEST(Plan, KnowsTheSourcesOfTheLayersItLeaves) {
  PrunePlan plan = example();
  EXPECT_THAT(layers_left(plan, 9), ElementsAre(0, 1, 2, 3, 4, 5, 6, 8, 9));
  plan.steps.push_back({"depth", {{0, true, {}, {}, {}}}, {}, 700});
  EXPECT_THAT(layers_left(plan, 3), ElementsAre(1, 2, 3));
}

TEST(Plan, WritesIndicesAsRuns) {
  const Json json = to_json(example());
  EXPECT_EQ(json["steps"][1]["layers"][0]["neurons"], "0-2,5,9-10");
  EXPECT_EQ(json["steps"][1]["layers"][1], Json::parse(R"({"layer":3,"neurons":"4"})"));
  EXPECT_EQ(json["steps"][0]["layers"][0], Json::parse(R"({"layer":7,"whole":true})"));
  EXPECT_FALSE(json["steps"][0].contains("owed"));
}

TEST(Plan, ReadsRuns) {
  const Json json =
      Json::parse(R"({"branch":"width","parameters":5,"layers":[{"layer":0,"neurons":"3,5-8"}]})");
  EXPECT_THAT(step_from_json(json, "x").removals[0].neurons, ElementsAre(3, 5, 6, 7, 8));
}

TEST(Plan, NamesThePlaceOfAMistake) {
  for (const char* runs :
       {"3-1", "1,1", "5,4", "1,", ",1", "a", "1-", "-3", "1 2", "0-99999999999", "0-999999999"}) {
    const std::string text = refusal(fmt::format(R"([{{"layer":0,"heads":"{}"}}])", runs));
    EXPECT_THAT(text, HasSubstr("expected increasing indices")) << runs;
    EXPECT_THAT(text, HasSubstr("plan.json, steps[3], layers[0].heads")) << runs;
  }
  EXPECT_THAT(refusal(R"([{"layer":4},{"layer":4}])"),
              HasSubstr("layers must be in increasing order, but 4 follows 4"));
  EXPECT_THAT(refusal(R"([{"layer":4,"whole":true,"heads":"1"}])"),
              HasSubstr("layer 4 is removed completely but lists units"));
  EXPECT_THAT(refusal(R"([{"layer":4,"whole":true,"mlp":true}])"),
              HasSubstr("layer 4 is removed completely but lists units"));
  EXPECT_THAT(refusal(R"([{"layer":4,"attention":true,"mlp":true}])"),
              HasSubstr("layer 4 loses both halves"));
  EXPECT_THAT(refusal(R"([{"layer":4,"attention":true,"kv_heads":"0"}])"),
              HasSubstr("the attention half of layer 4 is removed but lists units"));
  EXPECT_THAT(refusal(R"([{"layer":4,"mlp":true,"neurons":"0"}])"),
              HasSubstr("the MLP half of layer 4 is removed"));
  EXPECT_THAT(refusal(R"({"layer":4})"), HasSubstr("'layers' must be a list"));
  EXPECT_THAT(refusal(R"([{"heads":"1"}])"), HasSubstr("layer"));
}

TEST(Plan, RefusesAnotherVersion) {
  Json json = to_json(example());
  json["version"] = 2;
  EXPECT_THROW(plan_from_json(json, "plan.json"), Error);
}

TEST(Plan, RunsThatStandForBillionsOfUnitsAreRefused) {
  Json step = {{"branch", "width"}, {"parameters", 1}, {"layers", Json::array()}};
  for (int layer = 0; layer < 200; ++layer)
    step["layers"].push_back({{"layer", layer}, {"neurons", "0-16777215"}});
  EXPECT_THAT(refusal_of([&] { step_from_json(step, "plan.json"); }),
              ::testing::HasSubstr("more than 33554432 units are removed"));
  step["layers"] = {{{"layer", int64_t{1} << 32}}};
  EXPECT_THAT(refusal_of([&] { step_from_json(step, "plan.json"); }),
              ::testing::HasSubstr("is 4294967296, outside of"));
}

}  // namespace
}  // namespace mop::testing
