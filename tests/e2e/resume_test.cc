// A run that is killed at any moment and resumed ends with the bytes of one that was left alone.
#include <cstdlib>

#include "base/random.h"
#include "e2e/program.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Clock = std::chrono::steady_clock;

// Kills: a few here, many with MOP_FULL=1.
int num_kills() { return std::getenv("MOP_FULL") != nullptr ? 60 : 4; }

class Resume : public ::testing::Test {
 protected:
  fs::path folder(const std::string& name) const { return temp_.path() / name; }
  Args args(const std::string& name, const Args& more = {}) {
    Args all = prune_args(folder(name), {"--iterations", "3", "--select", "perplexity"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  TempFolder temp_;
};

TEST_F(Resume, KilledAtAnyMomentItEndsWithTheSameBytes) {
  const auto start = Clock::now();
  ASSERT_EQ(run(args("whole")).exit, 0);
  const double whole_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  Random random(20, 0);
  for (int kill = 0; kill < num_kills(); ++kill) {
    const std::string name = "killed" + std::to_string(kill);
    // Two kills in a row now and then: the second one hits a run that was resumed.
    for (int again = 0; again < 1 + kill % 2; ++again) {
      const auto delay =
          std::chrono::duration<double, std::milli>(random.uniform() * 1.05 * whole_ms);
      Process process(args(name, {"--resume"}));
      std::this_thread::sleep_for(delay);
      process.send(SIGKILL);
      process.wait();
      if (fs::exists(folder(name))) {
        EXPECT_TRUE(fs::exists(folder(name) / "config.json")) << "a folder that appears is whole";
      }
    }
    const Ran ran = run(args(name, {"--resume"}));
    ASSERT_EQ(ran.exit, 0) << "kill " << kill << "\n" << ran.err;
    EXPECT_THAT(differing(folder("whole"), folder(name)), IsEmpty()) << "kill " << kill;
    EXPECT_FALSE(fs::exists(folder(name + ".partial")));
    fs::remove_all(folder(name));
  }
}

TEST_F(Resume, StepsThatAreDoneAreNotSearchedAgain) {
  Process process(args("a"));
  ASSERT_TRUE(wait_for(process, folder("a.partial") / "run" / "steps" / "01" / "plan.json"));
  process.send(SIGKILL);
  process.wait();
  const Ran ran = run(args("a", {"--resume"}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("completed by an earlier run"));
  EXPECT_THAT(ran.err, ::testing::Not(HasSubstr("step 1 of 3: ")));
}

TEST_F(Resume, ARepairedStepIsRepairedAgainToTheSameBytes) {
  const auto args = [&](const std::string& name) {
    return prune_args(folder(name),
                      {"--remove", "0.2", "--samples", "16", "--max-tokens", "64", "--resume"});
  };
  ASSERT_EQ(run(args("whole")).exit, 0);
  Process process(args("a"));
  ASSERT_TRUE(wait_for(process, folder("a.partial") / "run" / "steps" / "01" / "plan.json"));
  process.send(SIGKILL);
  process.wait();
  const Ran ran = run(args("a"));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("continues after step 1"));
  EXPECT_THAT(differing(folder("whole"), folder("a")), IsEmpty());
}

class Signals : public Resume, public ::testing::WithParamInterface<int> {};

TEST_P(Signals, StopTheRunSayHowToGoOnAndLoseNothing) {
  Process process(args("a"));
  ASSERT_TRUE(wait_for(process, folder("a.partial") / "run" / "steps" / "01" / "plan.json"));
  process.send(GetParam());
  const Ran stopped = process.wait();
  EXPECT_EQ(stopped.exit, 128 + GetParam());
  EXPECT_THAT(stopped.err, HasSubstr("error: interrupted"));
  EXPECT_THAT(stopped.err, HasSubstr("the same command with --resume continues"));
  EXPECT_FALSE(fs::exists(folder("a")));
  ASSERT_EQ(run(args("a", {"--resume"})).exit, 0);
  ASSERT_EQ(run(args("whole")).exit, 0);
  EXPECT_THAT(differing(folder("a"), folder("whole")), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    All, Signals, ::testing::Values(SIGINT, SIGTERM, SIGHUP), [](const auto& info) {
      return std::string(info.param == SIGINT ? "Int" : info.param == SIGTERM ? "Term" : "Hup");
    });

TEST_F(Resume, UnderNohupAClosedTerminalStopsNothing) {
  const auto before = ::signal(SIGHUP, SIG_IGN);
  Process process(args("a"));
  ::signal(SIGHUP, before);
  ASSERT_TRUE(wait_for(process, folder("a.partial") / "run" / "steps" / "01" / "plan.json"));
  process.send(SIGHUP);
  EXPECT_EQ(process.wait().exit, 0);
}

TEST_F(Resume, AnotherRecipeModelOrTextIsRefusedAndNamed) {
  Process process(args("a"));
  ASSERT_TRUE(wait_for(process, folder("a.partial") / "run" / "steps" / "01" / "plan.json"));
  process.send(SIGKILL);
  process.wait();
  const Ran recipe = run(args("a", {"--resume", "--seed", "4"}));
  EXPECT_EQ(recipe.exit, 2);
  EXPECT_THAT(recipe.err, HasSubstr("the earlier run has different settings:"));
  EXPECT_THAT(recipe.err, HasSubstr("recipe.seed: was 0, now 4"));

  fs::copy(demo_model(), folder("model"), fs::copy_options::recursive);
  Json config = read_json(folder("model") / "config.json");
  config["rms_norm_eps"] = 1e-6;
  write_file(folder("model") / "config.json", config.dump());
  Args other = args("a", {"--resume"});
  other[1] = folder("model").string();
  EXPECT_THAT(run(other).err, HasSubstr("model.fingerprint: was "));

  write_file(folder("text.txt"), "one\ntwo\nthree\n");
  EXPECT_THAT(run(args("a", {"--resume", "--calibration", folder("text.txt").string()})).err,
              HasSubstr("calibration.sha256: was "));
  EXPECT_EQ(run(args("a", {"--resume"})).exit, 0) << "and the run itself is unharmed";
}

TEST_F(Resume, TheSameModelElsewhereMayContinue) {
  Process process(args("a"));
  ASSERT_TRUE(wait_for(process, folder("a.partial") / "run" / "steps" / "01" / "plan.json"));
  process.send(SIGKILL);
  process.wait();
  fs::copy(demo_model(), folder("model"), fs::copy_options::recursive);
  Args elsewhere = args("a", {"--resume"});
  elsewhere[1] = folder("model").string();
  EXPECT_EQ(run(elsewhere).exit, 0);
}

TEST_F(Resume, AFinishedRunIsLeftAsItIs) {
  ASSERT_EQ(run(args("a")).exit, 0);
  const auto before = tree(folder("a"));
  const Ran ran = run(args("a", {"--resume", "--json"}));
  EXPECT_EQ(ran.exit, 0);
  EXPECT_THAT(ran.err, HasSubstr("nothing to do: the run is complete"));
  EXPECT_EQ(ran.json()["pruned"], read_json(folder("a") / "run" / "metrics.json")["pruned"]);
  EXPECT_EQ(tree(folder("a")), before);
  EXPECT_EQ(run(args("a", {"--resume", "--seed", "9"})).exit, 2);
}

TEST_F(Resume, AKilledForceKeepsTheOldResult) {
  ASSERT_EQ(run(prune_args(folder("a"), {"--iterations", "1", "--select", "path:L"})).exit, 0);
  const auto before = tree(folder("a"));
  Process process(args("a", {"--force"}));
  ASSERT_TRUE(wait_for(process, folder("a.partial") / "run" / "steps" / "01" / "plan.json"));
  process.send(SIGKILL);
  process.wait();
  EXPECT_EQ(tree(folder("a")), before);
  ASSERT_EQ(run(args("a", {"--resume"})).exit, 0);
  ASSERT_EQ(run(args("whole")).exit, 0);
  EXPECT_THAT(differing(folder("a"), folder("whole")), IsEmpty());
}

TEST_F(Resume, TwoRunsAtOnceDoNotCollide) {
  Process first(args("a"));
  ASSERT_TRUE(wait_for(first, folder("a.partial") / "run" / "manifest.json"));
  const Ran second = run(args("a", {"--resume"}));
  const Ran third = run(args("a"));
  EXPECT_EQ(first.wait().exit, 0);
  // The second one comes too late only when the first was done already.
  if (second.exit != 0) {
    EXPECT_THAT(second.err, HasSubstr("another run is using this folder"));
  }
  EXPECT_NE(third.exit, 0);
}

}  // namespace
}  // namespace mop::testing
