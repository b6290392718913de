// tests/unit/recipe/recover_recipe_test.cc -- settings that a training method does not read are
// refused.
#include "recipe/recover_recipe.h"

#include <gtest/gtest.h>

#include "kit/refusal.h"
#include "recipe/recovery_section.h"

namespace mop::testing {
namespace {

void expect_refused(const Json& recipe, const std::string& text) {
  expect_usage_error([&] { recover_recipe(recipe); }, text);
}

TEST(RecoverRecipe, AMethodHasItsOwnSectionAndThatOfWhatItTrains) {
  const Json rank = {{"rank", 4}}, full = {{"trains", "full"}};
  EXPECT_EQ(recover_recipe({{"lora", rank}}).lora.rank, 4);
  EXPECT_EQ(recover_recipe({{"method", "distil"}, {"teacher", "t"}, {"lora", rank}}).lora.rank, 4);
  expect_refused({{"method", "full"}, {"lora", rank}},
                 "the method is full, so settings of 'lora' have no effect");
  expect_refused({{"method", "distil"}, {"teacher", "t"}, {"distil", full}, {"lora", rank}},
                 "the method is distil with distil.trains: full, so settings of 'lora'");
  for (const char* method : {"lora", "full"}) {
    expect_refused({{"method", method}, {"distil", {{"hidden", 0.1}}}}, "settings of 'distil'");
    expect_refused({{"method", method}, {"teacher", "t"}}, "so a teacher has no effect");
  }
}

TEST(RecoverRecipe, RandomWeightsAreAllTrainedByEveryMethod) {
  EXPECT_FALSE(train_recipe({{"method", "distil"}, {"teacher", "t"}}).low_rank());
  const Json lora = {{"trains", "lora"}};
  EXPECT_TRUE(train_recipe({{"method", "distil"}, {"teacher", "t"}, {"distil", lora}}).low_rank());
  EXPECT_EQ(train_recipe(Json::object()).method, "full");
}

TEST(RecoverRecipe, NumbersWithoutSenseAreRefused) {
  expect_refused({{"weight_decay", -5}}, "weight_decay");
  expect_refused({{"clip", -1}}, "clip");
  expect_refused({{"lora", {{"alpha", 0}}}}, "alpha");
  expect_refused({{"memory", {{"activation_gib", -7}}}}, "activation_gib");
}

TEST(RecoverRecipe, OfAPruningRecipeItTakesEachMissingSettingOfWhereToCompute) {
  Recipe recipe;
  recipe.device = "cpu";
  recipe.dtype = "bfloat16";
  const auto compute = [&](const Json& given) {
    recipe.recovery = {{"data", {{"file", "x"}}}, {"compute", given}};
    return resolved_recovery(recipe)["compute"];
  };
  EXPECT_EQ(compute(Json::object()), Json({{"device", "cpu"}, {"dtype", "bfloat16"}}));
  EXPECT_EQ(compute({{"device", "cpu"}})["dtype"], "bfloat16");
  EXPECT_EQ(compute({{"dtype", "float32"}}), Json({{"device", "cpu"}, {"dtype", "float32"}}));
  recipe.dtype = "float32";
  EXPECT_EQ(compute({{"device", "cuda"}})["dtype"], "bfloat16") << "the default of that device";
}

TEST(RecoverRecipe, AResolvedRecipeResolvesToItself) {
  for (const char* method : {"lora", "full", "distil"}) {
    Json given = {{"method", method}};
    if (method == std::string("distil")) given["teacher"] = "t";
    const Json once = to_json(recover_recipe(given));
    EXPECT_EQ(to_json(recover_recipe(once)), once);
  }
}

}  // namespace
}  // namespace mop::testing
