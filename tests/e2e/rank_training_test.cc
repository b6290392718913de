// Training among several processes: the losses of one, stopped and continued, alone or after
// pruning.
#include "e2e/ranks.h"
#include "e2e/training.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

// Low-rank training with its dropout; steps of 4 short samples.
Args ranks_args(const fs::path& out, const Args& more = {}) {
  Args args = {"recover",      demo_model().string(),
               "--data",       demo_calibration().string(),
               "--out",        out.string(),
               "--max-tokens", "32",
               "--tokens",     "900",
               "--threads",    "1",
               "--set",        "accumulate=4",
               "--set",        "validation.samples=4",
               "--set",        "lora.rank=4"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST(RankTraining, HasTheLossesOfOneProcessAtTheSameGlobalBatch) {
  TempFolder folder;
  const fs::path alone = folder.path() / "alone";
  const Ran one = run(ranks_args(alone));
  ASSERT_EQ(one.exit, 0) << one.err;
  for (const int size : {2, 4}) {
    const fs::path together = folder.path() / std::to_string(size);
    run_ranks(size, ranks_args(together));
    expect_close_steps(together, alone);
  }
}

TEST(RankTraining, StoppedAtAnyRankItContinuesWithTheSameBits) {
  TempFolder folder;
  const fs::path whole = folder.path() / "whole", broken = folder.path() / "broken";
  run_ranks(2, ranks_args(whole));
  auto ranks = start_ranks(2, ranks_args(broken), 2);
  wait_for_lines(*ranks[0], broken, 2);
  ranks[1]->send(SIGTERM);
  const Ran told = ranks[0]->wait();
  EXPECT_EQ(ranks[1]->wait().exit, 143);
  EXPECT_EQ(told.exit, 1);
  EXPECT_THAT(told.err, HasSubstr("another rank was asked to stop"));
  EXPECT_THAT(told.err, HasSubstr("--resume continues"));
  // As a launcher does it: all of them.
  ranks = start_ranks(2, ranks_args(broken, {"--resume"}), 2);
  wait_for_lines(*ranks[0], broken, 5);
  for (const auto& rank : ranks) rank->send(SIGTERM);
  for (const auto& rank : ranks) EXPECT_EQ(rank->wait().exit, 143);
  const Ran last = run_ranks(2, ranks_args(broken, {"--resume"}));
  EXPECT_THAT(last.err, HasSubstr("continues after step"));
  expect_same_run(whole, broken);
}

TEST(RankTraining, WhatWasDoneIsKeptWhenAnotherRankIsKilled) {
  TempFolder folder;
  const fs::path whole = folder.path() / "whole", broken = folder.path() / "broken";
  run_ranks(2, ranks_args(whole));
  auto ranks = start_ranks(2, ranks_args(broken), 2);
  wait_for_lines(*ranks[0], broken, 3);
  ranks[1]->send(SIGKILL);
  const Ran left = ranks[0]->wait();
  ranks[1]->wait();
  EXPECT_EQ(left.exit, 1);
  EXPECT_THAT(left.err, HasSubstr("another process of this job ended"));
  const Ran last = run_ranks(2, ranks_args(broken, {"--resume"}));
  EXPECT_THAT(last.err, HasSubstr("continues after step"));
  expect_same_run(whole, broken);
}

TEST(RankTraining, OneProcessGoesOnWithWhatTwoBegan) {
  TempFolder folder;
  const fs::path alone = folder.path() / "alone", begun = folder.path() / "begun";
  ASSERT_EQ(run(ranks_args(alone)).exit, 0);
  auto ranks = start_ranks(2, ranks_args(begun), 2);
  wait_for_lines(*ranks[0], begun, 3);
  for (const auto& rank : ranks) rank->send(SIGTERM);
  for (const auto& rank : ranks) rank->wait();
  const Ran last = run(ranks_args(begun, {"--resume"}));
  ASSERT_EQ(last.exit, 0) << last.err;
  EXPECT_THAT(last.err, HasSubstr("compute.ranks: was 2, now 1"));
  expect_close_steps(begun, alone);
}

TEST(RankTraining, PruningWithRecoveryIsThatOfOneProcess) {
  TempFolder folder;
  const fs::path recipe = folder.path() / "recipe.yaml", one = folder.path() / "one",
                 two = folder.path() / "two";
  write_file(recipe, "recovery:\n  data: {file: " + demo_evaluation().string() +
                         ", max_tokens: 32}\n  method: distil\n  tokens: 900\n  accumulate: 4\n"
                         "  validation: {samples: 8}\n");
  const Args more = {"--iterations",  "2",         "--select", "path:LG", "--recipe",
                     recipe.string(), "--threads", "1"};
  const Ran alone = run(prune_args(one, more));
  ASSERT_EQ(alone.exit, 0) << alone.err;
  run_ranks(2, prune_args(two, more));
  expect_close_steps(two, one);
  const Json ours = read_json(two / "run/metrics.json"),
             theirs = read_json(one / "run/metrics.json");
  for (const char* which : {"dense", "pruned", "recovered"}) {
    EXPECT_NEAR(ours["figures"][which]["nll"].get<double>(),
                theirs["figures"][which]["nll"].get<double>(), 1e-4)
        << which;
  }
  EXPECT_LT(ours["figures"]["recovered"]["nll"].get<double>(),
            ours["figures"]["pruned"]["nll"].get<double>());
  EXPECT_EQ(run({"inspect", two.string()}).exit, 0);
}

TEST(RankTraining, FromRandomWeightsItIsThatOfOneProcess) {
  TempFolder folder;
  const fs::path one = folder.path() / "one", two = folder.path() / "two";
  const auto args = [&](const fs::path& out) {
    return scratch_args(folder.path(), out, {"--threads", "1"});
  };
  const Ran alone = run(args(one));
  ASSERT_EQ(alone.exit, 0) << alone.err;
  run_ranks(2, args(two));
  expect_close_steps(two, one);
  Args again = args(two);
  again.push_back("--resume");
  EXPECT_THAT(run_ranks(2, again).err, HasSubstr("nothing to do"));
}

}  // namespace
}  // namespace mop::testing
