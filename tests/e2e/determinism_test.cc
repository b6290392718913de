// The same recipe, seed and threads: the same bytes. Another number of threads: the same plan.
#include "e2e/small_jobs.h"

namespace mop::testing {
namespace {

using ::testing::IsEmpty;

// The default method: curves with gradients, repair in every round, a guard that is judged.
Args default_method(const fs::path& out, const Args& more) {
  Args args = prune_args(out, {"--remove", "0.3", "--samples", "8", "--max-tokens", "32"});
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST(Determinism, TheDefaultMethodGivesTheSameBytesThreeTimes) {
  const TempFolder folder;
  for (const char* dtype : {"float32", "bfloat16"}) {
    const auto out = [&](int i) { return folder.path() / fmt::format("{}-{}", dtype, i); };
    for (int i = 0; i < 3; ++i) {
      const Ran ran = run(default_method(out(i), {"--threads", "2", "--dtype", dtype}));
      ASSERT_EQ(ran.exit, 0) << ran.err;
    }
    EXPECT_THAT(differing(out(0), out(1)), IsEmpty()) << dtype;
    EXPECT_THAT(differing(out(0), out(2)), IsEmpty()) << dtype;
  }
}

TEST(Determinism, MopsLoopGivesTheSameBytesThreeTimes) {
  const TempFolder folder;
  const auto out = [&](int i) { return folder.path() / std::to_string(i); };
  for (int i = 0; i < 3; ++i) {
    const Ran ran = run(prune_args(out(i), {"--iterations", "3", "--select", "perplexity",
                                            "--samples", "8", "--threads", "2"}));
    ASSERT_EQ(ran.exit, 0) << ran.err;
  }
  EXPECT_THAT(differing(out(0), out(1)), IsEmpty());
  EXPECT_THAT(differing(out(0), out(2)), IsEmpty());
}

TEST(Determinism, RecoveryGivesTheSameBytesThreeTimes) {
  const TempFolder folder;
  for (const char* dtype : {"float32", "bfloat16"}) {
    const auto out = [&](int i) { return folder.path() / fmt::format("{}-{}", dtype, i); };
    for (int i = 0; i < 3; ++i) {
      Args args = training("recover", {Home::get().model(), "--dtype", dtype}, out(i));
      args.back() = "2";  // threads
      const Ran ran = run(args);
      ASSERT_EQ(ran.exit, 0) << ran.err;
    }
    EXPECT_THAT(differing(out(0), out(1)), IsEmpty()) << dtype;
    EXPECT_THAT(differing(out(0), out(2)), IsEmpty()) << dtype;
  }
}

// Sums of float32 round differently, decisions do not; in bfloat16 what is added up together does
// not depend on the threads either.
TEST(Determinism, AnyNumberOfThreadsGivesTheSamePlan) {
  const TempFolder folder;
  const std::vector<Args> methods = {{"--repair", "none"}, {"--select", "perplexity"}};
  for (const char* dtype : {"float32", "bfloat16"}) {
    for (size_t method = 0; method < methods.size(); ++method) {
      const auto steps = [&](const std::string& threads) {
        const fs::path out = folder.path() / fmt::format("{}-{}-{}", dtype, method, threads);
        Args more = methods[method];
        more.insert(more.end(), {"--threads", threads, "--dtype", dtype});
        const Ran ran = run(default_method(out, more));
        EXPECT_EQ(ran.exit, 0) << ran.err;
        return read_json(out / "run/plan.json")["steps"];
      };
      const Json one = steps("1");
      EXPECT_EQ(steps("2"), one) << dtype;
      if (method == 0) {
        EXPECT_EQ(steps("3"), one) << dtype;
      }
    }
  }
}

}  // namespace
}  // namespace mop::testing
