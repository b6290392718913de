// The learning rate that a run chooses for itself.
#include "e2e/training.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Some 60 steps: trials of 6.
Args rate_args(const fs::path& out, const Args& more) {
  Args args = {"recover",      demo_model().string(),
               "--data",       demo_calibration().string(),
               "--out",        out.string(),
               "--max-tokens", "16",
               "--tokens",     "1000",
               "--set",        "lora.rank=2",
               "--set",        "accumulate=1",
               "--set",        "validation.samples=6"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST(RecoverRate, TheBestOfThreeTrialsTrainsAsIfItHadBeenNamed) {
  TempFolder folder;
  const fs::path swept = folder.path() / "swept", named = folder.path() / "named";
  const Ran ran = run(rate_args(swept, {"--json"}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("trying 3 learning rates, 6 steps each"));
  const Json outcome = ran.json()["outcome"], trials = outcome["trials"];
  ASSERT_EQ(trials.size(), 3u);
  const double rate = outcome["learning_rate"];
  double best = INFINITY, chosen = INFINITY;
  for (const Json& trial : trials) {
    EXPECT_THAT(ran.err, HasSubstr(fmt::format("learning rate {:g}: perplexity {:.3f}",
                                               trial["learning_rate"].get<double>(),
                                               std::exp(trial["nll"].get<double>()))));
    best = std::min(best, trial["nll"].get<double>());
    if (trial["learning_rate"] == rate) chosen = trial["nll"];
  }
  EXPECT_EQ(chosen, best);
  EXPECT_FALSE(fs::exists(swept / "run/trial-2"));
  const Ran again = run(rate_args(named, {"--lr", fmt::format("{}", rate), "--json"}));
  ASSERT_EQ(again.exit, 0) << again.err;
  EXPECT_THAT(again.err, Not(HasSubstr("tries")));
  EXPECT_FALSE(again.json()["outcome"].contains("trials"));
  EXPECT_TRUE(read_file(swept / "model.safetensors") == read_file(named / "model.safetensors"));
}

TEST(RecoverRate, KilledAmongTheTrialsItChoosesTheSame) {
  TempFolder folder;
  const fs::path whole = folder.path() / "whole", broken = folder.path() / "broken";
  ASSERT_EQ(run(rate_args(whole, {})).exit, 0);
  const fs::path tried = broken.string() + ".partial/run/learning_rates.json";
  Process killed(rate_args(broken, {}));
  wait_for(killed, tried);
  killed.send(SIGKILL);
  ASSERT_EQ(killed.wait().exit, -SIGKILL);
  const Ran end = run(rate_args(broken, {"--resume"}));
  ASSERT_EQ(end.exit, 0) << end.err;
  expect_same_run(whole, broken);
}

TEST(RecoverRate, AGivenRateReplacesTheTrialsOfAKilledRun) {
  TempFolder folder;
  const fs::path named = folder.path() / "named", broken = folder.path() / "broken";
  ASSERT_EQ(run(rate_args(named, {"--lr", "2e-3"})).exit, 0);
  Process killed(rate_args(broken, {}));
  wait_for(killed, broken.string() + ".partial/run/learning_rates.json");
  killed.send(SIGKILL);
  killed.wait();
  const Ran end = run(rate_args(broken, {"--lr", "2e-3", "--resume"}));
  ASSERT_EQ(end.exit, 0) << end.err;
  EXPECT_THAT(end.err, HasSubstr("the run continues with a changed setting"));
  EXPECT_TRUE(read_file(broken / "model.safetensors") == read_file(named / "model.safetensors"));
}

TEST(RecoverRate, WithoutHeldOutTextTheFirstIsUsed) {
  TempFolder folder;
  const Ran ran = run(rate_args(folder.path() / "out", {"--set", "validation.samples=0", "--set",
                                                        "learning_rate=[2e-4,1e-3]", "--json"}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("learning rate 0.0002: there is no held-out text"));
  EXPECT_EQ(ran.json()["outcome"]["learning_rate"], 2e-4);
}

}  // namespace
}  // namespace mop::testing
