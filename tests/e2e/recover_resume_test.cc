// Training that is stopped where more than a step count decides how it ends.
#include "e2e/training.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

Args resumed_args(const fs::path& out, const Args& more) {
  Args args = {"recover", demo_model().string(), "--data",       demo_calibration().string(),
               "--out",   out.string(),          "--max-tokens", "32",
               "--set",   "accumulate=4",        "--set",        "lora.rank=4"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

// Held-out lines shorter than any cut, so that `eval` sees what validation saw.
fs::path short_lines(const TempFolder& folder) {
  const fs::path file = folder.path() / "held_out.txt";
  std::string text;
  std::istringstream all(read_file(demo_evaluation()));
  int taken = 0;
  for (std::string line; taken < 6 && std::getline(all, line);) {
    if (line.size() < 60) continue;
    text += line.substr(0, 60) + "\n";
    ++taken;
  }
  write_file(file, text);
  return file;
}

TEST(RecoverResume, PatienceAndTheBestParametersSurviveAStop) {
  TempFolder folder;
  const fs::path whole = folder.path() / "whole", broken = folder.path() / "broken",
                 held_out = short_lines(folder);
  // The rate is too high: it gets better at first, then worse.
  const auto args = [&](const fs::path& out, const Args& more) {
    Args all = resumed_args(
        out, {"--epochs", "2", "--validation", held_out.string(), "--set", "validate_every=2",
              "--set", "patience=3", "--set", "learning_rate=2e-3", "--set", "schedule=constant"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const Ran ran = run(args(whole, {"--json"}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json outcome = ran.json()["outcome"];
  EXPECT_EQ(outcome["ended_by"], "patience");
  const int64_t best = outcome["best_step"], last = outcome["steps"];
  ASSERT_GT(best, 0);
  ASSERT_EQ(last, best + 6) << "three judgements after the best one";
  const Json scored =
      run({"eval", whole.string(), "--text", held_out.string(), "--protocol", "lines", "--json"})
          .json();
  // The written weights are rounded to the type in which the model is stored.
  EXPECT_NEAR(scored["nll"].get<double>(), outcome["nll_best"].get<double>(), 3e-4);

  // Once between the best judgement and the end, once with a kill that loses the last steps.
  Process stopped(args(broken, {}));
  wait_for_lines(stopped, broken, best + best / 2 + 3);
  stopped.send(SIGTERM);
  EXPECT_EQ(stopped.wait().exit, 143);
  Process killed(args(broken, {"--resume"}));
  wait_for_lines(killed, broken, best + best / 2 + 5);
  killed.send(SIGKILL);
  killed.wait();
  const Ran end = run(args(broken, {"--resume"}));
  ASSERT_EQ(end.exit, 0) << end.err;
  expect_same_run(whole, broken);
}

TEST(RecoverResume, MinutesAreCountedOverAllRuns) {
  TempFolder folder;
  const fs::path out = folder.path() / "out";
  const double minutes = 0.05;
  const Args args = resumed_args(out, {"--minutes", "0.05", "--set", "validation.samples=0"});
  Process stopped(args);
  wait_for_lines(stopped, out, 2);
  stopped.send(SIGTERM);
  ASSERT_EQ(stopped.wait().exit, 143);
  Args resume = args;
  resume.insert(resume.end(), {"--resume", "--json"});
  const Ran ran = run(resume);
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("continues after step"));
  EXPECT_EQ(ran.json()["outcome"]["ended_by"], "minutes");
  const std::vector<Json> steps = training_steps(out);
  double seconds = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i]["step"], static_cast<int64_t>(i) + 1);
    // The rate falls over the minutes of all runs.
    const double rate = 3e-4 * (1 - seconds / (60 * minutes));
    EXPECT_NEAR(steps[i]["learning_rate"].get<double>(), rate, 1e-9);
    EXPECT_LT(seconds, 60 * minutes) << "a step began after the time was over";
    seconds += steps[i]["timing"]["seconds"].get<double>();
  }
  EXPECT_GE(seconds, 60 * minutes);
}

TEST(RecoverResume, AResultWhosePlaceIsTakenIsNotTrainedAgain) {
  TempFolder folder;
  const fs::path whole = folder.path() / "whole", out = folder.path() / "out";
  const Args end = {"--tokens", "1500"};
  ASSERT_EQ(run(resumed_args(whole, end)).exit, 0);
  Process process(resumed_args(out, end));
  wait_for_lines(process, out, 1);
  fs::create_directories(out);
  write_file(out / "thesis.txt", "x");
  const Ran refused = process.wait();
  EXPECT_EQ(refused.exit, 2);
  EXPECT_THAT(refused.err, HasSubstr("files that were not written by mop"));
  fs::remove_all(out);
  Args resume = resumed_args(out, end);
  resume.push_back("--resume");
  const Ran last = run(resume);
  ASSERT_EQ(last.exit, 0) << last.err;
  const size_t steps = training_steps(whole).size();
  EXPECT_THAT(last.err, HasSubstr(fmt::format("continues after step {}\n", steps)));
  expect_same_run(whole, out);
}

TEST(RecoverResume, TrainingAfterPruningContinuesWithTheSameBytes) {
  TempFolder folder;
  const fs::path recipe = folder.path() / "recipe.yaml", whole = folder.path() / "whole",
                 broken = folder.path() / "broken";
  write_file(recipe, "recovery:\n  data: {file: " + demo_calibration().string() +
                         ", max_tokens: 32}\n  method: distil\n  distil: {hidden: 0.1}\n"
                         "  tokens: 900\n  accumulate: 4\n  validation: {samples: 4}\n");
  const Args more = {"--iterations", "2", "--select", "path:LG", "--recipe", recipe.string()};
  ASSERT_EQ(run(prune_args(whole, more)).exit, 0);
  Process stopped(prune_args(broken, more));
  wait_for_lines(stopped, broken, 3);
  stopped.send(SIGTERM);
  EXPECT_EQ(stopped.wait().exit, 143);
  Args resume = prune_args(broken, more);
  resume.push_back("--resume");
  const Ran last = run(resume);
  ASSERT_EQ(last.exit, 0) << last.err;
  EXPECT_THAT(last.err, HasSubstr("continues after step 2, completed by an earlier run"));
  EXPECT_THAT(differing(whole, broken), ::testing::IsEmpty());
  EXPECT_EQ(training_steps(whole).size(), training_steps(broken).size());
}

TEST(RecoverResume, TrainingFromRandomWeightsContinuesWithTheSameBits) {
  TempFolder folder;
  const fs::path whole = folder.path() / "whole", broken = folder.path() / "broken";
  const auto args = [&](const fs::path& out) {
    return scratch_args(folder.path(), out, {"--set", "save_every=2"});
  };
  ASSERT_EQ(run(args(whole)).exit, 0);
  Process killed(args(broken));
  wait_for_lines(killed, broken, 4);
  killed.send(SIGKILL);
  killed.wait();
  Args resume = args(broken);
  resume.push_back("--resume");
  const Ran last = run(resume);
  ASSERT_EQ(last.exit, 0) << last.err;
  expect_same_run(whole, broken);
}

}  // namespace
}  // namespace mop::testing
