// tests/e2e/rounds_test.cc -- pruning in rounds with training between them.
#include "e2e/program.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Rounds : public ::testing::Test {
 protected:
  Rounds() {
    write_file(recipe(),
               "target: {remove: 0.3, of: blocks, rounds: 3}\nbranches: [width]\n"
               "select: 'path:G'\nrecovery:\n  when: steps\n  data: {file: " +
                   demo_evaluation().string() +
                   ", max_tokens: 32}\n  tokens: 1500\n  accumulate: 4\n");
  }
  fs::path recipe() const { return temp_.path() / "recipe.yaml"; }
  fs::path folder(const std::string& name) const { return temp_.path() / name; }
  Args args(const std::string& name, const Args& more = {}) {
    Args all = prune_args(folder(name), {"--recipe", recipe().string(), "--json"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  // Kills the run as soon as a file is there.
  void kill_at(const std::string& name, const fs::path& file) {
    Process process(args(name, {"--resume"}));
    wait_for(process, folder(name + ".partial") / file);
    process.send(SIGKILL);
    process.wait();
    EXPECT_FALSE(fs::exists(folder(name))) << "it was done before " << file;
  }
  TempFolder temp_;
};

TEST_F(Rounds, EveryStepIsTrainedAndThePlanGivesTheResultAgain) {
  const Ran ran = run(args("a"));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json metrics = ran.json(), rounds = metrics["recovery"]["rounds"];
  ASSERT_EQ(rounds.size(), 3u);
  for (const Json& round : rounds) {
    EXPECT_LT(round["figures"]["recovered"]["nll"], round["figures"]["pruned"]["nll"]);
  }
  // A round begins with what the one before it learned.
  EXPECT_LT(rounds[2]["figures"]["recovered"]["nll"], rounds[2]["figures"]["pruned"]["nll"]);
  EXPECT_EQ(metrics["figures"]["recovered"], rounds[2]["figures"]["recovered"]);
  EXPECT_EQ(metrics["recovery"]["steps"], 3 * rounds[0]["steps"].get<int64_t>());
  EXPECT_TRUE(fs::exists(folder("a") / "run/rounds/02/metrics.jsonl"));
  EXPECT_FALSE(fs::exists(folder("a") / "run/rounds/03/trained"));
  const Ran replay = run({"prune", demo_model().string(), "--plan",
                          (folder("a") / "run/plan.json").string(), "--out", folder("b").string()});
  ASSERT_EQ(replay.exit, 0) << replay.err;
  EXPECT_EQ(read_file(folder("a") / "model.safetensors"),
            read_file(folder("b") / "model.safetensors"));
}

TEST_F(Rounds, KilledInAnyRoundItEndsWithTheSameBytes) {
  ASSERT_EQ(run(args("whole")).exit, 0);
  kill_at("a", "run/rounds/01/metrics.jsonl");
  kill_at("a", "run/steps/01/plan.json");
  kill_at("a", "run/rounds/02/trained");
  kill_at("a", "run/rounds/03/metrics.jsonl");
  const Ran ran = run(args("a", {"--resume"}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(differing(folder("whole"), folder("a")), IsEmpty());
}

TEST_F(Rounds, RefusesWhatCannotBe) {
  EXPECT_THAT(run(args("a", {"--set", "recovery.when=never"})).err, HasSubstr("known: end, steps"));
  EXPECT_THAT(run(args("a", {"--repair", "least-squares"})).err,
              HasSubstr("a repair at the end would follow the training"));
}

}  // namespace
}  // namespace mop::testing
