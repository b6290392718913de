// Sizes that a model should have, from the command line, and what to do with the result.
#include <cstdlib>

#include "e2e/prune_run.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

class PruneToSize : public PruneRun {};

// Bytes of the tensors in a checkpoint's only file.
int64_t weight_bytes(const fs::path& checkpoint) {
  return run({"inspect", checkpoint.string(), "--json"}).json()["bytes"].get<int64_t>();
}

TEST_F(PruneToSize, ASizeIsALimitForWhatIsLeft) {
  const Ran memory = prune("memory", {"--target", "memory=9MB"});
  ASSERT_EQ(memory.exit, 0) << memory.err;
  EXPECT_LE(weight_bytes(folder("memory")), 9'000'000);
  EXPECT_GT(weight_bytes(folder("memory")), 8'950'000) << "just below: a pack is 9 kB";
  EXPECT_THAT(memory.err, HasSubstr("target: memory: at most 9.000 MB is left of 11.31 MB"));
  const Json step = read("memory/run/steps/02/metrics.json")["target"];
  EXPECT_EQ(step["currency"], "memory");
  EXPECT_EQ(step["pruned"], weight_bytes(folder("memory")));

  const Ran again = prune("again", {"--recipe", (folder("memory") / "run/recipe.yaml").string()});
  ASSERT_EQ(again.exit, 0) << again.err;
  EXPECT_EQ(tree(folder("again"))["model.safetensors"],
            tree(folder("memory"))["model.safetensors"]);

  const Ran cache = prune("cache", {"--target", "kv-cache=3kB", "--json"});
  ASSERT_EQ(cache.exit, 0) << cache.err;
  const Json about = run({"inspect", folder("cache").string(), "--json"}).json();
  EXPECT_EQ(about["kv_cache_bytes_per_token"], 23 * 128) << "24 groups would be 3072 bytes";
}

TEST_F(PruneToSize, ASizeIsToldBeforeTheRun) {
  const Ran plan = run({"plan", demo_model(), "--target", "parameters=4.5M", "--json"});
  ASSERT_EQ(plan.exit, 0) << plan.err;
  const int64_t planned = plan.json()["steps"].back()["parameters"];
  EXPECT_LE(planned, 4'500'000);
  EXPECT_GT(planned, 4'400'000);
  const Ran in_bytes = run({"plan", demo_model(), "--target", "memory=9MB", "--json"});
  EXPECT_EQ(in_bytes.json()["steps"].back()["parameters"], planned) << "bfloat16 by config.json";
  const Ran dry = run({"prune", demo_model(), "--target", "kv-cache=3kB", "--dry-run", "--json"});
  ASSERT_EQ(dry.exit, 0) << dry.err;
  EXPECT_EQ(dry.json()["goal"]["pruned"], 3000);
  EXPECT_EQ(dry.json()["goal"]["dense"], 4608);
  const Ran both = run({"plan", demo_model(), "--remove", "0.3", "--target", "memory=9MB"});
  EXPECT_EQ(both.exit, 2);
  EXPECT_THAT(both.err, HasSubstr("dense model: 11.31 MB"));
}

// The lines below "next:", as a shell would run them.
TEST_F(PruneToSize, TheNextCommandsWorkAsTheyStand) {
  const fs::path out = folder("with a space");
  const Ran ran = run(prune_args(out, {"--iterations", "1", "--select", "path:G"}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  std::istringstream lines(ran.out.substr(ran.out.find("\nnext:\n") + 7));
  std::vector<std::string> commands;
  for (std::string line; std::getline(lines, line);) commands.push_back(line);
  ASSERT_EQ(commands.size(), 3);
  EXPECT_THAT(commands[0], HasSubstr(" eval '" + out.string() + "' --vs "));
  EXPECT_THAT(commands[1], HasSubstr(" recover "));
  EXPECT_THAT(commands[2], HasSubstr(" export "));
  commands[0] += " --limit 2";
  commands[1] += " --tokens 200 --max-tokens 32";
  for (const std::string& command : commands) {
    EXPECT_EQ(std::system((command + " > /dev/null 2>&1").c_str()), 0) << command;
  }
  EXPECT_TRUE(fs::exists(folder("with a space-recovered") / "config.json"));
  EXPECT_TRUE(fs::exists(folder("with a space.gguf")));
}

}  // namespace
}  // namespace mop::testing
