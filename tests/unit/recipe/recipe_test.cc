#include "recipe/recipe.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "kit/configs.h"
#include "kit/random_model.h"
#include "kit/refusal.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using testing::expect_usage_error;
using ::testing::HasSubstr;
using testing::llama2_7b;
using testing::llama3_8b;
using ::testing::StartsWith;
using testing::tinystories_12l;

Recipe from(const std::string& yaml) { return recipe_from_json(parse_yaml(yaml, "test")); }

TEST(RecipeYaml, HasTheDefaultsOfTheProgram) {
  const Recipe recipe = from("target: {iterations: 3}");
  EXPECT_EQ(recipe.select, "random");
  EXPECT_EQ(recipe.samples.samples, 128);
  EXPECT_FALSE(recipe.samples.random);
  EXPECT_THAT(recipe.branches, ElementsAre("depth", "width"));
  EXPECT_EQ(recipe.target.iterations, 3);
  EXPECT_EQ(recipe.device, "cpu");
}

TEST(RecipeYaml, AFractionAloneTakesTheDefaultMethod) {
  const Recipe recipe = from("target: {remove: 0.3}\nwidth: {shape_multiple: 64}");
  EXPECT_EQ(recipe.select, "perplexity");
  EXPECT_THAT(recipe.branches, ElementsAre("damage", "damage-uniform"));
  EXPECT_EQ(recipe.target.rounds, 2);
  EXPECT_EQ(recipe.repair, (Json{{"method", "least-squares"}, {"when", "steps"}}));
  EXPECT_EQ(recipe.settings.at("damage"), (Json{{"shape_multiple", 64}}));
  EXPECT_EQ(recipe.settings.at("damage-uniform"), (Json{{"shape_multiple", 64}}));
}

TEST(RecipeYaml, PartsOfTheDefaultMethodCanBeSet) {
  const Recipe recipe =
      from("target: {remove: 0.3, rounds: 1}\nuniform: true\nrepair: {damping: 0.5}");
  EXPECT_THAT(recipe.branches, ElementsAre("damage-uniform"));
  EXPECT_EQ(recipe.target.rounds, 1);
  EXPECT_EQ(recipe.repair["damping"], 0.5);
  EXPECT_EQ(recipe.repair["when"], "steps");
  EXPECT_TRUE(from("target: {remove: 0.3}\nrepair: {method: none}").repair.is_null());
  expect_usage_error([] { from("select: random\nuniform: true"); },
                     "`uniform` is a setting of the default method, and other settings select the "
                     "branches depth, width");
}

TEST(RecipeYaml, SettingsOfDamageHoldForBothBranchesUnlessOneHasItsOwn) {
  const Recipe recipe = from(
      "target: {remove: 0.3}\ndamage: {gradients: false, damping: 0.1}\n"
      "damage-uniform: {damping: 0.2}");
  EXPECT_EQ(recipe.settings.at("damage"), (Json{{"gradients", false}, {"damping", 0.1}}));
  EXPECT_EQ(recipe.settings.at("damage-uniform"), (Json{{"gradients", false}, {"damping", 0.2}}));
  EXPECT_EQ(from("target: {remove: 0.3}\nuniform: true\ndamage: {damping: 1}")
                .settings.at("damage-uniform")["damping"],
            1);
  expect_usage_error([] { from("target: {remove: 0.3}\ndamage: 3"); }, "damage");
}

TEST(RecipeYaml, ATargetMayCountSomethingElseThanParameters) {
  const Recipe latency = from("target: {remove: 0.3, currency: latency}");
  EXPECT_EQ(latency.settings.at("damage")["halves"], true);
  EXPECT_EQ(to_json(latency)["target"]["currency"], "latency");
  EXPECT_EQ(from("target: {remove: 0.3, currency: latency}\ndamage: {halves: false}")
                .settings.at("damage")["halves"],
            false);
  const Recipe parameters = from("target: {remove: 0.3}");
  EXPECT_FALSE(parameters.settings.at("damage").contains("halves"));
  EXPECT_FALSE(to_json(parameters)["target"].contains("currency"));
  expect_usage_error([] { from("target: {remove: 0.3, currency: money}"); },
                     "known: parameters, latency, memory, kv-cache");
}

TEST(RecipeResolved, BudgetsAreInTheCurrencyOfTheTarget) {
  const ModelConfig dense = tinystories_12l();
  const Recipe cache = resolve(from("target: {remove: 0.5, currency: kv-cache}"), dense);
  // 12 layers of 3 groups of 32 in float32: 9216 bytes a token, a quarter in each of two rounds.
  EXPECT_EQ(counted(cache.target, dense), 12 * 3 * 2 * 32 * 4);
  EXPECT_EQ(budget_function(cache, dense)(dense, 0)->amount, 9216 / 4);
  EXPECT_FALSE(known_accounting(cache, dense) || estimated_accounting(cache, dense));
  // Nothing is known of times before they are measured.
  EXPECT_NO_THROW(
      check_reach(resolve(from("target: {remove: 0.5, currency: latency}"), dense), dense));
}

TEST(RecipeResolved, ATargetOutOfReachIsToldInItsCurrency) {
  const ModelConfig dense = tinystories_12l();
  // One of three groups stays in every layer.
  const Recipe most = resolve(from("target: {remove: 0.66, currency: kv-cache}"), dense);
  EXPECT_NO_THROW(check_reach(most, dense));
  const Recipe far = resolve(from("target: {remove: 0.8, currency: kv-cache}"), dense);
  EXPECT_THROW(check_reach(far, dense), Error);
  const Recipe halves =
      resolve(from("target: {remove: 0.8, currency: kv-cache}\ndamage: {halves: true}"), dense);
  EXPECT_NO_THROW(check_reach(halves, dense));
}

TEST(RecipeResolved, OtherCurrenciesWantBranchesThatCountThemAndRounds) {
  expect_usage_error(
      [] {
        resolve(from("target: {remove: 0.3, rounds: 2, currency: latency}\nselect: 'path:G'"),
                tinystories_12l());
      },
      "branch 'width' counts parameters, and the target counts latency");
  expect_usage_error(
      [] {
        resolve(
            from("target: {remove: 0.3, currency: kv-cache}\nbranches: [damage]\nselect: 'path:D'"),
            tinystories_12l());
      },
      "give `target.rounds`");
}

TEST(RecipeResolved, RefusesRoundsOfWholeLayersAndTargetsOutOfReach) {
  expect_usage_error(
      [] {
        resolve(from("target: {remove: 0.3, rounds: 2}\nselect: 'path:L'"), tinystories_12l());
      },
      "branch 'depth' removes whole layers");
  const Recipe far = resolve(from("target: {remove: 0.96, of: blocks}"), tinystories_12l());
  EXPECT_THROW(check_reach(far, tinystories_12l()), Error);
  EXPECT_NO_THROW(
      check_reach(resolve(from("target: {remove: 0.5}"), tinystories_12l()), tinystories_12l()));
}

// The fraction that a recipe is planned to remove; or throws, as a run does before it starts.
double planned(const std::string& yaml) {
  const ModelConfig dense = tinystories_12l();
  const Recipe recipe = resolve(from(yaml), dense);
  auto accounting = known_accounting(recipe, dense);
  if (!accounting) {
    check_reach(recipe, dense);
    accounting = estimated_accounting(recipe, dense);
  }
  return accounting->removed_fraction(accounting->steps.back(), recipe.target);
}

TEST(RecipeResolved, RoundsAlongAPathThatMissTheTargetAreRefused) {
  const auto refusal = [](const std::string& yaml) {
    try {
      return fmt::format("planned: {}", planned(yaml));
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_THAT(refusal("target: {remove: 0.05}\nwidth: {criterion: flap, shape_multiple: 256}"),
              HasSubstr("less than half a pack of 256 neurons"));
  EXPECT_THAT(refusal("target: {remove: 0.9, of: blocks}\n"
                      "width: {criterion: wanda-sp, rule: mlp-only}"),
              HasSubstr("to remove 90.0%, but only 72.5% can go"));
  EXPECT_THAT(refusal("target: {remove: 0.99, of: blocks}\nwidth: {criterion: wanda-sp}"),
              HasSubstr("to remove 99.0%, but only"));
  EXPECT_THAT(refusal("target: {remove: 0.95, of: blocks}\ngates: {steps: 10}"),
              HasSubstr("cannot be removed"));
}

TEST(RecipeResolved, WhereLayersMayDifferPacksOfSingleLayersReachTheTarget) {
  // A pack of 256 neurons of one layer is 2.6%, a KV group 0.65%.
  for (const char* method : {"width: {shape_multiple: 256}",
                             "damage: {shape_multiple: 256}\nselect: 'path:D'\nbranches: [damage]",
                             "width: {criterion: flap, allocation: global, shape_multiple: 256}"}) {
    EXPECT_NEAR(planned(fmt::format("target: {{remove: 0.1, rounds: 1}}\n{}", method)), 0.1, 0.014)
        << method;
  }
  EXPECT_NEAR(planned("target: {remove: 0.12}\nwidth: {shape_multiple: 128}"), 0.12, 0.007);
  EXPECT_THROW(planned("target: {remove: 0.01}\nwidth: {shape_multiple: 256}"), Error)
      << "half a pack of one layer is 1.3%";
}

TEST(RecipeResolved, TheDefaultTakesLayersThatDiffer) {
  ModelConfig config = tinystories_12l();
  config.layers[3].mlp -= 64;
  const Recipe recipe = resolve(from("target: {remove: 0.3}"), config);
  EXPECT_TRUE(estimated_accounting(recipe, config).has_value());
}

TEST(RecipeYaml, NamingAPartOfTheLoopTakesTheLoopWithoutRepair) {
  for (const char* named : {"select: random", "branches: [depth, width]", "width: {budget: exact}",
                            "target: {iterations: 2}", "plan: x"}) {
    const Recipe recipe = from(named);
    EXPECT_EQ(recipe.select, "random") << named;
    EXPECT_THAT(recipe.branches, ElementsAre("depth", "width")) << named;
    EXPECT_EQ(recipe.target.rounds, 0) << named;
    EXPECT_TRUE(recipe.repair.is_null()) << named;
  }
}

TEST(RecipeYaml, ListsTheKnownKeysWhenOneIsUnknown) {
  expect_usage_error(
      [] { from("calibraton: {file: x}"); },
      "unknown keys of a recipe: calibraton (did you mean 'calibration'?)\n  hint: known: model, "
      "plan, select");
  expect_usage_error(
      [] { from("calibration: {sampels: 3}"); },
      "calibration does not know: sampels (did you mean 'samples'?)\n  hint: known: file, "
      "images");
  expect_usage_error([] { from("target: {iteration: 3}"); },
                     "known: iterations, remove, rounds, of, currency");
}

// What a resolved recipe of the default method makes of flags that write elsewhere.
TEST(RecipeYaml, SettingsOfAPartThatIsNotUsedAreToldWhereTheyBelong) {
  const std::string resolved = "select: perplexity\nbranches: [damage, damage-uniform]\n";
  expect_usage_error(
      [&] { from(resolved + "width: {shape_multiple: 64}"); },
      "the recipe's branches are damage, damage-uniform, so settings of 'width' have "
      "no effect\n  hint: --set damage.shape_multiple=64 "
      "--set damage-uniform.shape_multiple=64");
  expect_usage_error([&] { from(resolved + "width: {budget: exact}"); },
                     "hint: add the branch to the recipe's `branches`");
  expect_usage_error([&] { from(resolved + "uniform: true"); },
                     "branches: [damage-uniform] keeps layers equal");
}

TEST(RecipeYaml, SaysWhichSettingChangedTheMethod) {
  EXPECT_THAT(from("target: {remove: 0.3}\nwidth: {budget: exact}").method_note,
              HasSubstr("method: MoP's loop without repair, instead of the default method (units "
                        "of least predicted damage, repaired), because of width.budget"));
  EXPECT_THAT(from("target: {iterations: 3}").method_note, EndsWith("of target.iterations"));
  EXPECT_THAT(from("target: {iterations: 3}\nselect: random").method_note,
              EndsWith("because of select, target.iterations"));
  for (const char* repair : {"{method: least-squares}", "{damping: 0.1}"}) {
    EXPECT_THAT(from(fmt::format("select: random\nrepair: {}", repair)).method_note,
                StartsWith("method: MoP's loop, instead"));
  }
  EXPECT_THAT(from("select: random\nrepair: {method: none}").method_note,
              StartsWith("method: MoP's loop without repair, instead"));
  EXPECT_THAT(from("target: {remove: 0.3}\nwidth: {criterion: amp}").method_note,
              HasSubstr("method: width alone, instead of the default method"));
  EXPECT_EQ(from("target: {remove: 0.3}\nwidth: {shape_multiple: 8}").method_note, "");
  EXPECT_EQ(from("select: random\nbranches: [width]").method_note, "");
}

TEST(RecipeYaml, RefusesValuesOfAnotherKind) {
  expect_usage_error([] { from("calibration: {samples: many}"); },
                     "calibration.samples must be a whole number, got \"many\"");
  expect_usage_error([] { from("protect: first"); }, "protect must be a list of whole numbers");
  expect_usage_error([] { from("seed: -1"); }, "seed must not be negative");
  expect_usage_error([] { from("calibration: {sample: last}"); }, "known: first, random");
  expect_usage_error([] { from("target: {of: heads}"); }, "known: all, blocks");
}

TEST(RecipeYaml, RefusesUnknownNames) {
  expect_usage_error([] { from("branches: [depth, with]"); },
                     "unknown branches 'with': did you mean 'width'?");
  expect_usage_error([] { from("select: best"); }, "unknown selector 'best'");
  expect_usage_error([] { from("branches: []"); }, "the recipe's branches are an empty list");
}

TEST(RecipeYaml, ComesBackUnchanged) {
  const Recipe recipe =
      resolve(from("{model: m, calibration: {file: c, samples: 9, sample: random}, seed: 5,"
                   " target: {remove: 0.4, of: blocks}, select: 'path:LG', protect: [0, -1]}"),
              tinystories_12l());
  const std::string text = to_yaml(to_json(recipe));
  EXPECT_EQ(to_yaml(to_json(resolve(from(text), tinystories_12l()))), text);
}

TEST(RecipeSettings, ReachAnyDepthAndReadLikeYaml) {
  Json recipe = Json::object();
  set(recipe, "width.budget=released");
  set(recipe, "target.remove=0.25");
  set(recipe, "protect=[0, -1]");
  set(recipe, "select=path:LG");
  EXPECT_EQ(recipe["width"]["budget"], "released");
  EXPECT_EQ(recipe["target"]["remove"], 0.25);
  EXPECT_EQ(recipe["protect"], Json({0, -1}));
  EXPECT_EQ(recipe["select"], "path:LG");
}

TEST(RecipeSettings, NeedAKeyAndAValue) {
  Json recipe = Json::object();
  expect_usage_error([&] { set(recipe, "released"); }, "--set takes key=value, got 'released'");
  recipe["seed"] = 1;
  expect_usage_error([&] { set(recipe, "seed.width=1"); }, "'seed' is a value, not a section");
}

TEST(RecipeResolved, SpellsOutWhatTheModelDecides) {
  const Recipe recipe =
      resolve(from("{target: {iterations: 1}, protect: [0, -1]}"), tinystories_12l());
  EXPECT_EQ(recipe.settings.at("width")["rule"], "gqa");
  EXPECT_EQ(recipe.settings.at("width")["budget"], "exact");
  EXPECT_EQ(recipe.dtype, "float32");
  EXPECT_EQ(recipe.samples.max_tokens, 64);
  EXPECT_THAT(recipe.protect, ElementsAre(0, 11));
}

TEST(RecipeYaml, RefusesSettingsThatARowDoesNotDeclare) {
  expect_usage_error([] { from("{target: {iterations: 1}, width: {budjet: exact}}"); },
                     "width does not know: budjet (did you mean 'budget'?)");
  expect_usage_error([] { from("{target: {iterations: 1}, random-heads: {sed: 1}}"); },
                     "random-heads does not know: sed (did you mean 'seed'?)");
  expect_usage_error([] { from("{target: {iterations: 1}, amp-heads: {seed: 1}}"); },
                     "amp-heads does not know: seed\n  hint: it has no settings");
}

TEST(RecipeYaml, AnAllocationsSettingsStandInWidth) {
  const Recipe recipe = from("{target: {remove: 0.3}, width: {allocation: owl, owl_lambda: 0.1}}");
  EXPECT_EQ(recipe.settings.at("width")["owl_lambda"], 0.1);
  expect_usage_error([] { from("{target: {remove: 0.3}, width: {owl_lambda: -1}}"); },
                     "width.owl_lambda must not be negative, got -1");
}

TEST(RecipeResolved, RefusesLayersThatAreNotThere) {
  const Recipe recipe = from("{target: {iterations: 1}, protect: [12]}");
  expect_usage_error([&] { resolve(recipe, tinystories_12l()); },
                     "protect has layer 12, but the model has layers 0 to 11");
}

TEST(RecipeResolved, RefusesAMissingTarget) {
  expect_usage_error([&] { resolve(from("seed: 1"), tinystories_12l()); }, "no target");
}

TEST(RecipeResolved, TheBudgetOfTheWidthBranchIsTheTargets) {
  const Recipe recipe =
      resolve(from("{target: {remove: 0.4}, width: {budget: released}}"), llama2_7b());
  EXPECT_EQ(recipe.target.budget, BudgetKind::kReleased);
}

TEST(RecipeMix, APathUsesOnlyItsOwnBranches) {
  const Recipe recipe =
      resolve(from("{target: {iterations: 2}, select: 'path:L'}"), tinystories_12l());
  ASSERT_EQ(mix_recipe(recipe).branches.size(), 1u);
  EXPECT_EQ(mix_recipe(recipe).branches[0].branch->name, "depth");
}

TEST(Resolve, ACriterionNamedAloneIsWidthInOneRound) {
  const Recipe recipe = resolve(from("{target: {remove: 0.35, of: blocks}, width: {criterion: "
                                     "wanda-sp, shape_multiple: 1}}"),
                                tinystories_12l());
  EXPECT_EQ(recipe.select, "path:G");
  EXPECT_THAT(recipe.branches, ElementsAre("width"));
  EXPECT_EQ(recipe.target.rounds, 1);
  EXPECT_EQ(recipe.settings.at("width")["heads"], "wanda-sp-heads");
  EXPECT_EQ(recipe.settings.at("width")["neurons"], "wanda-sp-neurons");
  const auto accounting = known_accounting(recipe, tinystories_12l());
  ASSERT_TRUE(accounting.has_value());
  EXPECT_EQ(accounting->steps.size(), 1u);
  EXPECT_EQ(accounting->steps[0].layers[0].kv_heads, 2);
}

TEST(Resolve, ACriterionOfNeuronsAloneLeavesHeads) {
  const auto expect_refused = [](const std::string& yaml, const std::string& text) {
    expect_usage_error([&] { resolve(from(yaml), tinystories_12l()); }, text);
  };
  const Recipe recipe =
      resolve(from("{target: {remove: 0.1}, width: {criterion: cfsp}}"), tinystories_12l());
  EXPECT_EQ(recipe.settings.at("width")["rule"], "mlp-only");
  // What was resolved reads as the same.
  EXPECT_EQ(to_json(resolve(recipe_from_json(to_json(recipe)), tinystories_12l())),
            to_json(recipe));
  expect_refused("{target: {remove: 0.1}, width: {criterion: cfsp, rule: mha}}",
                 "'cfsp' does not rank heads");
  expect_refused("{target: {remove: 0.1}, width: {criterion: luck}}",
                 "known: amp, magnitude, random, wanda-sp");
}

TEST(Resolve, ADepthRuleNamedAloneIsDepthAndBothAreTheLoop) {
  const Recipe depth =
      resolve(from("{target: {remove: 0.2}, depth: {rule: taylor}}"), tinystories_12l());
  EXPECT_EQ(depth.select, "path:L");
  EXPECT_THAT(depth.branches, ElementsAre("depth"));
  EXPECT_EQ(depth.settings.at("depth")["keep_first"], 4);
  const Recipe both = resolve(from("{target: {remove: 0.2}, depth: {rule: taylor}, width: "
                                   "{criterion: flap}}"),
                              tinystories_12l());
  EXPECT_EQ(both.select, "random");
  EXPECT_THAT(both.branches, ElementsAre("depth", "width"));
}

TEST(Resolve, SeedReachesTheCriteriaThatDraw) {
  const std::string width =
      "target: {iterations: 1}\nseed: 7\nwidth: {heads: random-heads, neurons: random-neurons}\n";
  const Json drawn = to_json(resolve(from(width), tinystories_12l()));
  EXPECT_EQ(drawn["random-heads"]["seed"], 7);
  EXPECT_EQ(drawn["random-neurons"]["seed"], 7);
  const Json own = to_json(resolve(from(width + "random-heads: {seed: 3}\n"), tinystories_12l()));
  EXPECT_EQ(own["random-heads"]["seed"], 3);
  const Json measured =
      to_json(resolve(from("{target: {iterations: 1}, seed: 7}"), tinystories_12l()));
  EXPECT_FALSE(measured.contains("amp-heads"));
}

}  // namespace
}  // namespace mop
