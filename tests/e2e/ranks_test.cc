// Several processes share the work: the same figures, one writer, and an end when one of them ends.
#include "e2e/ranks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "checkpoint/safetensors.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

Args score_args(const fs::path& out, const std::string& samples) {
  return {"score",         demo_model().string(),
          "--criterion",   "amp-heads,amp-neurons",
          "--calibration", demo_calibration().string(),
          "--samples",     samples,
          "--max-tokens",  "48",
          "--out",         out.string(),
          "--threads",     "1"};
}

void expect_same_scores(const fs::path& a, const fs::path& b) {
  const SafetensorsFile ours = SafetensorsFile::open(a), theirs = SafetensorsFile::open(b);
  ASSERT_EQ(ours.entries().size(), 24u);
  for (const auto& [name, entry] : theirs.entries()) {
    const at::Tensor x = ours.tensor(name), y = theirs.tensor(name);
    EXPECT_LT(((x - y).abs() / y.abs()).max().item<double>(), 1e-6) << name;
  }
}

TEST(Ranks, ScoresAreThoseOfOneProcess) {
  const TempFolder folder;
  const fs::path one = folder.path() / "one", two = folder.path() / "two",
                 four = folder.path() / "four";
  ASSERT_EQ(run(score_args(one, "11")).exit, 0);
  EXPECT_THAT(run_ranks(2, score_args(two, "11")).out, HasSubstr("11"));
  run_ranks(4, score_args(four, "11"));
  expect_same_scores(two, one);
  expect_same_scores(four, one);
}

TEST(Ranks, MoreRanksThanSamplesIsFine) {
  const TempFolder folder;
  ASSERT_EQ(run(score_args(folder.path() / "one", "3")).exit, 0);
  run_ranks(4, score_args(folder.path() / "four", "3"));
  expect_same_scores(folder.path() / "four", folder.path() / "one");
}

TEST(Ranks, PruneTakesTheSameStepsAndWritesOnce) {
  const TempFolder folder;
  const Args more = {"--iterations", "3", "--select", "perplexity", "--threads", "1"};
  const fs::path one = folder.path() / "one", two = folder.path() / "two";
  ASSERT_EQ(run(prune_args(one, more)).exit, 0);
  run_ranks(2, prune_args(two, more));
  EXPECT_EQ(read_json(two / "run/plan.json")["steps"], read_json(one / "run/plan.json")["steps"]);
  EXPECT_EQ(read_file(two / "model.safetensors"), read_file(one / "model.safetensors"));
  const Json ours = read_json(two / "run/metrics.json"),
             theirs = read_json(one / "run/metrics.json");
  for (const char* which : {"dense", "pruned"}) {
    EXPECT_NEAR(ours["figures"][which]["nll"].get<double>(),
                theirs["figures"][which]["nll"].get<double>(), 1e-6);
  }
  EXPECT_EQ(ours["samples"], (Json{{"statistics", 16}, {"validation", 2}}));
}

TEST(Ranks, PruneContinuesWhatOneProcessBegan) {
  const TempFolder folder;
  const fs::path out = folder.path() / "out";
  const Args more = {"--iterations", "2", "--select", "path:GL", "--threads", "1"};
  ASSERT_EQ(run(prune_args(out, more)).exit, 0);
  Args resume = prune_args(out, more);
  resume.push_back("--resume");
  EXPECT_THAT(run_ranks(2, resume).err, HasSubstr("the run is complete"));
}

TEST(Ranks, EvaluationGivesTheFiguresOfOneProcess) {
  const TempFolder folder;
  const std::string few = (folder.path() / "few.txt").string();
  write_file(few, read_file(demo_evaluation()).substr(0, 6000));
  const Args text = {"eval",        demo_model().string(), "--text", few,     "--protocol",
                     "windows:128", "--threads",           "1",      "--json"};
  const Json one = run(text).json(), two = run_ranks(2, text).json();
  EXPECT_EQ(two["scored_tokens"], one["scored_tokens"]);
  EXPECT_NEAR(two["nll"].get<double>(), one["nll"].get<double>(), 1e-6);
  const fs::path data = fs::path(MOP_SOURCE_DIR) / "tests/golden/tasks/data";
  const Args tasks = {
      "eval", demo_model().string(), "--tasks", "piqa",  "--data", data.string(), "--limit",
      "9",    "--threads",           "1",       "--json"};
  const Json alone = run(tasks).json()["results"], four = run_ranks(4, tasks).json()["results"];
  EXPECT_EQ(four["piqa"]["acc,none"], alone["piqa"]["acc,none"]);
  EXPECT_EQ(four["piqa"]["acc_norm,none"], alone["piqa"]["acc_norm,none"]);
}

TEST(Ranks, EndWithOneErrorWhenOneOfThemIsKilled) {
  const TempFolder folder;
  auto ranks = start_ranks(2,
                           prune_args(folder.path() / "out", {"--iterations", "9", "--select",
                                                              "path:G", "--threads", "1"}),
                           2);
  const fs::path work = folder.path() / "out.partial";
  while (!fs::exists(work / "run/steps/01/plan.json") && ranks[0]->running()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ranks[1]->send(SIGKILL);
  const Ran first = ranks[0]->wait();
  ranks[1]->wait();
  EXPECT_EQ(first.exit, 1);
  EXPECT_THAT(first.err, HasSubstr("error: another process of this job ended or does not answer"));
  EXPECT_THAT(first.err, HasSubstr("--resume continues"));
}

TEST(Ranks, StopWhenAskedToWhileTheyWaitForEachOther) {
  const TempFolder folder;
  auto ranks = start_ranks(2, score_args(folder.path() / "out", "2"), 1);
  std::this_thread::sleep_for(std::chrono::seconds(1));
  ranks[0]->send(SIGTERM);
  const Ran ran = ranks[0]->wait();
  EXPECT_EQ(ran.exit, 143) << ran.err;
}

TEST(Ranks, WithoutAMeetingPlaceAreRefused) {
  ::setenv("WORLD_SIZE", "2", 1);
  const Ran ran = run(score_args("/dev/null", "2"));
  ::unsetenv("WORLD_SIZE");
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("the environment variable RANK is not set, WORLD_SIZE is"));
}

}  // namespace
}  // namespace mop::testing
