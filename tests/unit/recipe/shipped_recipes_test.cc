// tests/unit/recipe/shipped_recipes_test.cc -- the recipes in recipes/.
#include <gmock/gmock.h>

#include "kit/configs.h"
#include "recipe/recipe.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using testing::llama2_7b;
using testing::llama3_8b;
using testing::tinystories_12l;

// What each shipped recipe comes to. The released ones are in the method's table.
struct Shipped {
  std::string file;
  ModelConfig config;
  int64_t parameters;  ///< 0: only the fraction below is promised
  double removed;
  double within = 5e-4;
};

class ShippedRecipes : public ::testing::TestWithParam<Shipped> {};

TEST_P(ShippedRecipes, ParseAndComeToTheirSize) {
  const Shipped& shipped = GetParam();
  const Recipe recipe = resolve(
      recipe_from_json(read_recipe(std::string(MOP_SOURCE_DIR) + "/recipes/" + shipped.file)),
      shipped.config);
  const auto accounting = known_accounting(recipe, shipped.config);
  ASSERT_TRUE(accounting.has_value());
  const AccountedStep& last = accounting->steps.back();
  if (shipped.parameters > 0) {
    EXPECT_EQ(last.parameters, shipped.parameters);
  }
  EXPECT_NEAR(accounting->removed_fraction(last), shipped.removed, shipped.within);
}

INSTANTIATE_TEST_SUITE_P(
    All, ShippedRecipes,
    ::testing::Values(Shipped{"llama2-7b-released.yaml", llama2_7b(), 4017090560, 0.4039},
                      Shipped{"llama2-7b-exact.yaml", llama2_7b(), 0, 0.4, 5e-3},
                      Shipped{"llama3-8b-released-mlp.yaml", llama3_8b(), 4740333568, 0.4097},
                      Shipped{"llama3-8b-released-gqa.yaml", llama3_8b(), 4740239360, 0.4097},
                      Shipped{"llama3-8b-exact.yaml", llama3_8b(), 0, 0.4}));

TEST(DefaultRecipes, ComeToTheirSizeInTwoRounds) {
  for (const auto& [file, config] :
       {std::pair{"llama2-7b.yaml", llama2_7b()}, std::pair{"llama3-8b.yaml", llama3_8b()}}) {
    const Recipe recipe = resolve(
        recipe_from_json(read_recipe(std::string(MOP_SOURCE_DIR) + "/recipes/" + file)), config);
    EXPECT_FALSE(known_accounting(recipe, config).has_value()) << "layers share by measurements";
    const auto accounting = estimated_accounting(recipe, config);
    ASSERT_TRUE(accounting.has_value());
    EXPECT_EQ(accounting->steps.size(), 2u);
    EXPECT_NEAR(accounting->removed_fraction(accounting->steps.back()), 0.3, 5e-3);
    EXPECT_GE(recipe.target.shape_multiple, 128) << file;
  }
}

TEST(DemoRecipe, IsTheDefaultMethod) {
  const Recipe recipe =
      resolve(recipe_from_json(read_recipe(std::string(MOP_SOURCE_DIR) + "/recipes/demo.yaml")),
              tinystories_12l());
  EXPECT_FALSE(known_accounting(recipe, tinystories_12l()).has_value());
  EXPECT_THAT(recipe.branches, ElementsAre("damage", "damage-uniform"));
  EXPECT_EQ(recipe.method_note, "");
}

}  // namespace
}  // namespace mop
