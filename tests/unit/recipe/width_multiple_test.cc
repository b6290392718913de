// tests/unit/recipe/width_multiple_test.cc -- the multiples that widths are kept at by default.
#include "recipe/width_multiple.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "kit/configs.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

Recipe from(const std::string& yaml, const ModelConfig& dense) {
  return resolve(recipe_from_json(parse_yaml(yaml, "test")), dense);
}

// SmolLM2-135M and stories260k.
ModelConfig smollm2() { return make_config({30, 576, 9, 3, 64, 1536, 49152}); }
ModelConfig stories260k() { return make_config({5, 64, 8, 4, 8, 172, 512}); }

int64_t multiple_of(const Recipe& recipe) { return recipe.settings.at("width")["shape_multiple"]; }

double removed_by(const Recipe& recipe, const ModelConfig& dense) {
  const auto accounting = known_accounting(recipe, dense);
  const AccountedStep& last = accounting->steps.back();
  return recipe.target.of_blocks ? accounting->block_removed_fraction(last)
                                 : accounting->removed_fraction(last);
}

// What the target comes to where nothing is rounded; beyond it when neurons run out and only whole
// groups are left.
double by_single_neurons(const std::string& given, const ModelConfig& dense) {
  return removed_by(from("{" + given + ", width: {shape_multiple: 1}}", dense), dense);
}

struct Deployed {
  ModelConfig dense;
  int64_t least;  ///< multiple that every target gets
  double within;
};

std::vector<Deployed> deployed() {
  return {{smollm2(), 32, 0.01},
          {make_config({22, 2048, 32, 4, 64, 5632, 32000}), 64, 0.005},
          {llama2_7b(), 128, 0.005},
          {llama3_8b(), 128, 0.005}};
}

const std::vector<std::string>& selectors() {
  static const std::vector<std::string> all = {"random", "'path:G'", "'path:LG'"};
  return all;
}

TEST(WidthMultiple, DeployedModelsGetAtLeast32AndMeetTheTarget) {
  for (const Deployed& model : deployed()) {
    for (const double target : {0.1, 0.2, 0.35, 0.4, 0.5}) {
      for (const std::string of : {"all", "blocks"}) {
        for (const std::string& select : selectors()) {
          const std::string given =
              fmt::format("target: {{remove: {}, of: {}}}, select: {}", target, of, select);
          const Recipe recipe = from("{" + given + "}", model.dense);
          const std::string what = fmt::format("hidden {}, {}", model.dense.hidden, given);
          EXPECT_GE(multiple_of(recipe), model.least) << what;
          EXPECT_NEAR(removed_by(recipe, model.dense), by_single_neurons(given, model.dense),
                      model.within)
              << what;
          const Accounting accounting = *known_accounting(recipe, model.dense);
          EXPECT_EQ(accounting.steps.back().layers[0].mlp % multiple_of(recipe), 0) << what;
        }
      }
    }
  }
}

TEST(WidthMultiple, LeavesHeadsAtTheMultipleThatWasGiven) {
  for (const std::string branch : {"damage", "width"}) {
    const std::string given = "target: {remove: 0.3}, " + branch + ": {head_multiple: 16}";
    const Recipe recipe =
        from("{" + given + (branch == "width" ? ", select: random}" : "}"), smollm2());
    EXPECT_EQ(recipe.settings.at(branch)["head_multiple"], 16);
    EXPECT_GE(recipe.settings.at(branch)["shape_multiple"], 32);
  }
  const Recipe open = from("{target: {remove: 0.3}, select: random}", smollm2());
  EXPECT_EQ(open.settings.at("width")["head_multiple"], 32);
}

// A pack of 32 neurons is 4% of such models.
TEST(WidthMultiple, ModelsTooNarrowFor32MeetTheTargetAllTheSame) {
  for (const ModelConfig& dense : {tinystories_12l(), stories260k()}) {
    for (const double target : {0.1, 0.2, 0.4, 0.6}) {
      for (const std::string& select : selectors()) {
        const std::string given =
            fmt::format("target: {{remove: {}, of: blocks}}, select: {}", target, select);
        const Recipe recipe = from("{" + given + "}", dense);
        EXPECT_NEAR(removed_by(recipe, dense), by_single_neurons(given, dense), 0.005)
            << given << " multiple " << multiple_of(recipe);
      }
    }
  }
}

TEST(WidthMultiple, APathThatDependsOnFiguresIsBoundByHalfAPack) {
  const ModelConfig dense = llama3_8b();
  const Recipe recipe = from("{target: {remove: 0.4}, select: perplexity}", dense);
  EXPECT_EQ(multiple_of(recipe), 128);
  EXPECT_LE(half_pack(dense, 128), 0.005 * total_parameters(dense));
  EXPECT_GT(half_pack(dense, 256), 0.005 * total_parameters(dense));
  EXPECT_EQ(multiple_of(from("{target: {remove: 0.4}, select: perplexity}", smollm2())), 32);
  EXPECT_EQ(multiple_of(from("{target: {remove: 0.4}, select: kl}", tinystories_12l())), 8);
}

TEST(WidthMultiple, ThePapersAccountingKnowsNone) {
  const Recipe recipe =
      from("{target: {iterations: 5}, select: 'path:LG', width: {budget: released}}", llama2_7b());
  EXPECT_EQ(multiple_of(recipe), 1);
  EXPECT_EQ(width_multiple_text(recipe, llama2_7b()), "widths: any, as budget 'released' counts");
}

TEST(WidthMultiple, ARecipeThatSaysOneKeepsIt) {
  const Recipe recipe =
      from("{target: {remove: 0.4}, select: 'path:G', width: {shape_multiple: 1}}", llama3_8b());
  EXPECT_EQ(multiple_of(recipe), 1);
  EXPECT_EQ(recipe.settings.at("width")["head_multiple"], 1);
  EXPECT_GE(removed_by(recipe, llama3_8b()), 0.4);
  EXPECT_EQ(width_multiple_text(recipe, llama3_8b()),
            "widths: any, as the recipe says; by default multiples of 128");
}

TEST(WidthMultiple, AResolvedRecipeResolvesToItself) {
  const Recipe once = from("{target: {remove: 0.4}, select: random, seed: 3}", llama3_8b());
  const Recipe twice = resolve(recipe_from_json(to_json(once)), llama3_8b());
  EXPECT_EQ(to_json(once), to_json(twice));
  EXPECT_EQ(once.target.shape_multiple, twice.target.shape_multiple);
}

TEST(WidthMultiple, HeadsAreKeptAtMultiplesOf32AtMost) {
  const Recipe recipe = from("{target: {remove: 0.4}, select: 'path:LG'}", llama2_7b());
  EXPECT_GT(multiple_of(recipe), 32);
  EXPECT_EQ(recipe.settings.at("width")["head_multiple"], 32);
}

TEST(WidthMultiple, SaysWhy) {
  const auto text = [](const std::string& yaml, const ModelConfig& dense) {
    return width_multiple_text(from(yaml, dense), dense);
  };
  EXPECT_EQ(text("{target: {remove: 0.4}, select: 'path:LG'}", llama3_8b()),
            "widths: multiples of 256, the largest (of 256, 128, 64 and 32) that meets the target "
            "within 0.5%");
  EXPECT_EQ(
      text("{target: {remove: 0.4}, select: perplexity}", smollm2()),
      "widths: multiples of 32, as quantised formats need: the target is missed by up to 0.51%");
  EXPECT_EQ(text("{target: {remove: 0.35, of: blocks}, select: 'path:G'}", smollm2()),
            "widths: multiples of 32, as quantised formats need: the target is missed by 0.68%");
  EXPECT_EQ(text("{target: {remove: 0.4}, select: perplexity}", tinystories_12l()),
            "widths: multiples of 8: in multiples of 32 the target would be missed by up to 2.0%");
  EXPECT_EQ(text("{target: {remove: 0.4}, select: 'path:L'}", llama3_8b()), "");
}

TEST(WidthMultiple, ATargetSmallerThanAPackIsRefused) {
  const Recipe recipe =
      from("{target: {remove: 0.004}, select: 'path:G', width: {shape_multiple: 32}}", smollm2());
  try {
    known_accounting(recipe, smollm2());
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("but a pack of 32 neurons in every layer is"));
  }
}

}  // namespace
}  // namespace mop::testing
