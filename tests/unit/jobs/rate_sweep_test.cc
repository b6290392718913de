// tests/unit/jobs/rate_sweep_test.cc -- which learning rate is used, and what is tried for it.
#include "jobs/rate_sweep.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"
#include "recipe/recover_recipe.h"
#include "recovery/trainer.h"

namespace mop::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<double> kRates = {1e-4, 3e-4, 1e-3};

// Trials whose figures are known.
struct Trials {
  std::map<double, double> nll = {{1e-4, 3.0}, {3e-4, 2.5}, {1e-3, 2.8}};
  std::vector<double> tried;
  double interrupted_at = 0;
  int64_t steps = 60;

  RateChoice choose(const fs::path& run, const std::vector<double>& rates = kRates) {
    return choose_rate(rates, run, one_rank(), silent_progress(),
                       [&](double rate, const fs::path& state) {
                         fs::create_directories(state);
                         if (rate == interrupted_at) throw Error(ErrorKind::kInterrupted, "stop");
                         tried.push_back(rate);
                         if (!nll.contains(rate))
                           throw NotFinite(bad_input("the loss is not finite"));
                         return RateTrial{rate, nll.at(rate), steps};
                       });
  }
};

TEST(RateSweep, ATrialIsATenthOfTheRunAndAtMostSixtySteps) {
  EXPECT_EQ(trial_steps(49), 0);
  EXPECT_EQ(trial_steps(50), 5);
  EXPECT_EQ(trial_steps(300), 30);
  EXPECT_EQ(trial_steps(100000), 60);
}

TEST(RateSweep, TheLowestIsTakenOfEqualsTheLowerRate) {
  TempFolder run;
  Trials trials;
  const RateChoice choice = trials.choose(run.path());
  EXPECT_EQ(choice.rate, 3e-4);
  EXPECT_EQ(choice.trials.size(), 3u);
  EXPECT_EQ(choice.trials[2].nll, 2.8);
  TempFolder other;
  trials.nll = {{1e-4, 2.5}, {3e-4, 2.5}, {1e-3, 2.5}};
  EXPECT_EQ(trials.choose(other.path(), {1e-3, 1e-4, 3e-4}).rate, 1e-4);
}

TEST(RateSweep, ALossThatIsNotFiniteIsPassedOverUnlessAllAre) {
  TempFolder run, other;
  Trials trials;
  trials.nll.erase(3e-4);
  const RateChoice choice = trials.choose(run.path());
  EXPECT_EQ(choice.rate, 1e-3);
  EXPECT_EQ(to_json(choice.trials)[1]["nll"], nullptr);
  EXPECT_EQ(trials.choose(run.path()).rate, 1e-3) << "what was written down says the same";
  trials.nll.clear();
  EXPECT_THROW(trials.choose(other.path()), Error);
}

TEST(RateSweep, AnInterruptedOneGoesOnWhereItWas) {
  TempFolder run;
  Trials trials;
  trials.interrupted_at = 3e-4;
  EXPECT_THROW(trials.choose(run.path()), Error);
  EXPECT_TRUE(fs::exists(run.path() / "trial-0.0003")) << "the state of the trial that was stopped";
  EXPECT_FALSE(fs::exists(run.path() / "trial-0.0001"));
  trials.interrupted_at = 0;
  EXPECT_EQ(trials.choose(run.path()).rate, 3e-4);
  EXPECT_THAT(trials.tried, ElementsAre(1e-4, 3e-4, 1e-3));
  EXPECT_FALSE(fs::exists(run.path() / "trial-0.0003"));
  EXPECT_EQ(trials.choose(run.path()).rate, 3e-4);
  EXPECT_EQ(trials.tried.size(), 3u) << "nothing is tried twice";
}

TEST(RateSweep, AnotherListDoesNotContinueTheTrialOfAnotherRate) {
  TempFolder run;
  Trials trials;
  trials.interrupted_at = 3e-4;
  EXPECT_THROW(trials.choose(run.path()), Error);
  trials.interrupted_at = 0;
  EXPECT_EQ(trials.choose(run.path(), {1e-3, 1e-4}).rate, 1e-3);
  EXPECT_FALSE(fs::exists(run.path() / "trial-0.0003"));
}

TEST(RateSweep, TrialsThatTheTimeEndsTooEarlyChooseNothing) {
  TempFolder run;
  Trials trials;
  trials.steps = 4;
  for (int i = 0; i < 2; ++i) {  // and again by what was written down
    EXPECT_EQ(trials.choose(run.path()).rate, 1e-4);
    EXPECT_THAT(trials.tried, ElementsAre(1e-4));
  }
}

// Not every bad input is a rate that is too high.
TEST(RateSweep, ARecordThatCannotBeReadEndsTheSweep) {
  TempFolder run;
  EXPECT_THROW(choose_rate(kRates, run.path(), one_rank(), silent_progress(),
                           [](double, const fs::path&) -> RateTrial {
                             throw bad_input("line 7 holds no tokens");
                           }),
               Error);
}

TEST(RateSweep, ARecipeNamesARateOrSeveralElseTheMethodDoes) {
  EXPECT_THAT(recover_recipe({{"method", "full"}}).rates, ElementsAre(1e-4, 3e-4, 1e-3));
  EXPECT_EQ(recover_recipe(Json::object()).rates, find_method("lora").rates);
  const Json distil = {{"method", "distil"}, {"teacher", "x"}, {"distil", {{"trains", "full"}}}};
  EXPECT_EQ(recover_recipe(distil).rates, find_method("full").rates);
  const RecoverRecipe one = recover_recipe({{"learning_rate", 2e-4}});
  EXPECT_THAT(one.rates, ElementsAre(2e-4));
  EXPECT_EQ(one.train.learning_rate, 2e-4);
  EXPECT_EQ(to_json(one)["learning_rate"], 2e-4);
  const RecoverRecipe two = recover_recipe({{"learning_rate", {5e-5, 2e-4}}});
  EXPECT_EQ(two.train.learning_rate, 5e-5) << "where none is tried";
  EXPECT_EQ(recover_recipe(to_json(two)).rates, two.rates);
  EXPECT_THAT(train_recipe(Json::object()).rates, ElementsAre(1e-3));
  for (const Json& wrong : {Json("fast"), Json::array(), Json({1e-4, -1}), Json({"a"}), Json(0)}) {
    EXPECT_THROW(recover_recipe({{"learning_rate", wrong}}), Error) << wrong;
  }
}

TEST(RateSweep, ARecordOfAnotherFormIsNamed) {
  for (const char* text :
       {R"([{"nll": 1}])", R"([{"learning_rate": "x"}])", "[5]", "[", "{\"a\":1}"}) {
    const TempFolder folder;
    write_file(folder.path() / "learning_rates.json", text);
    Trials trials;
    try {
      trials.choose(folder.path());
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr("learning_rates.json")) << text;
      EXPECT_THAT(e.what(), HasSubstr("--force"));
    }
  }
}

}  // namespace
}  // namespace mop::testing
