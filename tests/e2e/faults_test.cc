// Every write, flush, rename and read of a job fails, or is the last one before a kill: the job
// ends with one clear error, nothing is lost, and continued it leaves the bytes of one that was
// left alone.
#include "e2e/faults.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "e2e/small_jobs.h"

namespace mop::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Of each job and fault: some here, MOP_FAULTS of them in `./run test --full`.
int64_t num_faults() {
  const char* wanted = std::getenv("MOP_FAULTS");
  return wanted != nullptr ? std::atoll(wanted) : 3;
}

class Faults : public ::testing::TestWithParam<Job> {
 protected:
  fs::path out() const { return temp_.path() / "work" / "out"; }
  void SetUp() override { fs::create_directories(out().parent_path()); }

  Args args() const { return GetParam().args(out()); }
  void start_over() {
    fs::remove_all(out().parent_path());
    fs::create_directories(out().parent_path());
  }
  int64_t count(const std::string& mode, const fs::path& under) {
    const int64_t calls = count_calls(mode, args(), under);
    const bool leaves_one_file = GetParam().name == "Score" || GetParam().name == "Eval";
    EXPECT_GE(calls, leaves_one_file ? 2 : 5);
    start_over();
    return calls;
  }
  // The same command, or --resume, after the fault: the same bytes, and nothing beside them.
  void expect_continues(const std::map<std::string, std::string>& whole, const std::string& what) {
    // An export does not replace a whole folder.
    const bool done = !GetParam().resumes && fs::is_directory(out());
    const Ran ran = run(again(GetParam(), out()));
    ASSERT_EQ(ran.exit, done ? 1 : 0) << what << "\n" << ran.err;
    EXPECT_EQ(whole, result(out())) << what;
    for (const auto& entry : fs::directory_iterator(out().parent_path())) {
      EXPECT_EQ(entry.path(), out()) << what;
    }
    start_over();
  }
  // Changes fail at several places.
  void expect_errors(const std::string& mode, const std::string& reason) {
    const auto whole = undisturbed(GetParam(), temp_.path() / "whole");
    const int64_t calls = count(mode, out().parent_path());
    for (const int64_t at : spread(calls, num_faults())) {
      const std::string what = fmt::format("{} at call {} of {}", mode, at, calls);
      const Ran ran = run_with({mode, at, out().parent_path()}, args());
      // What only tidies up may fail in silence.
      ASSERT_THAT(ran.exit, AnyOf(0, 1)) << what << "\n" << ran.err;
      if (ran.exit == 1) {
        EXPECT_THAT(ran.err, HasSubstr("error: ")) << what;
        EXPECT_THAT(ran.err, HasSubstr(reason)) << what;
        EXPECT_THAT(ran.err, Not(HasSubstr("filesystem error"))) << what;
      }
      expect_continues(whole, what);
    }
  }
  TempFolder temp_;
};

TEST_P(Faults, KilledAtAnyWriteItEndsWithTheSameBytes) {
  const auto whole = undisturbed(GetParam(), temp_.path() / "whole");
  const int64_t calls = count("kill", out().parent_path());
  for (const int64_t at : spread(calls, num_faults())) {
    const std::string what = fmt::format("killed at call {} of {}", at, calls);
    const Ran ran = run_with({"kill", at, out().parent_path()}, args());
    ASSERT_EQ(ran.exit, -SIGKILL) << what << "\n" << ran.err;
    expect_continues(whole, what);
  }
}

TEST_P(Faults, ADiskThatFillsIsOneErrorAndLosesNothing) {
  expect_errors("full", "No space left on device");
}

TEST_P(Faults, AWriteThatFailsIsOneErrorAndLosesNothing) {
  expect_errors("broken", "Input/output error");
}

TEST_P(Faults, AReadThatFailsIsOneError) {
  const int64_t calls = count("unreadable", Home::get().path());
  for (const int64_t at : spread(calls, num_faults())) {
    const Ran ran = run_with({"unreadable", at, Home::get().path()}, args());
    EXPECT_EQ(ran.exit, 1) << at << " of " << calls << "\n" << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("error: ")) << at;
    EXPECT_THAT(ran.err, HasSubstr("Input/output error")) << at;
    EXPECT_FALSE(fs::exists(out())) << at;
    start_over();
  }
}

// As a network's disk does, and any file when a signal comes.
TEST_P(Faults, ReadsAndWritesThatMoveAPartAreContinued) {
  const auto whole = undisturbed(GetParam(), temp_.path() / "whole");
  const Ran ran =
      run_with({"short", 0, temp_.path().string() + ":" + Home::get().path().string()}, args());
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(whole, result(out()));
}

INSTANTIATE_TEST_SUITE_P(All, Faults, ::testing::ValuesIn(jobs()),
                         [](const auto& info) { return info.param.name; });

// While an old result is replaced there is always a whole one.
TEST(ForcedFaults, KilledAtAnyWriteThereIsTheOldResultOrTheNewOne) {
  const TempFolder temp;
  const fs::path work = temp.path() / "work", out = work / "out", old = temp.path() / "old",
                 whole = temp.path() / "whole";
  const Args force = pruning(out, {"--remove", "0.2", "--force"});
  ASSERT_EQ(run(pruning(old, {"--iterations", "1", "--select", "path:G"})).exit, 0);
  ASSERT_EQ(run(pruning(whole, {"--remove", "0.2"})).exit, 0);
  const auto begin = [&] {
    fs::remove_all(work);
    fs::create_directories(work);
    fs::copy(old, out, fs::copy_options::recursive);
  };
  begin();
  const int64_t calls = count_calls("kill", force, work);
  for (const int64_t at : spread(calls, 2 * num_faults())) {
    begin();
    ASSERT_EQ(run_with({"kill", at, work}, force).exit, -SIGKILL) << at;
    const std::string weights = read_file(out / "model.safetensors");
    EXPECT_TRUE(weights == read_file(old / "model.safetensors") ||
                weights == read_file(whole / "model.safetensors"))
        << at;
    // A run that had not begun leaves the old one, which is another.
    if (run(pruning(out, {"--remove", "0.2", "--resume"})).exit != 0) {
      const Ran ran = run(force);
      ASSERT_EQ(ran.exit, 0) << at << "\n" << ran.err;
    }
    EXPECT_THAT(differing(whole, out), IsEmpty()) << at;
    EXPECT_FALSE(fs::exists(out.string() + ".partial")) << at;
  }
}

// The mark that says so is written anew by every run that continues.
TEST(ForcedFaults, AResumeThatIsKilledWhileItBeginsStillMayReplaceTheOldResult) {
  const TempFolder temp;
  const fs::path work = temp.path() / "work", out = work / "out", half = temp.path() / "half",
                 whole = temp.path() / "whole";
  ASSERT_EQ(run(pruning(whole, {"--remove", "0.2"})).exit, 0);
  fs::create_directories(work);
  ASSERT_EQ(run(pruning(out, {"--iterations", "1", "--select", "path:G"})).exit, 0);
  Process force(pruning(out, {"--remove", "0.2", "--force"}));
  wait_for(force, work / "out.partial/run/manifest.json");
  force.send(SIGKILL);
  ASSERT_EQ(force.wait().exit, -SIGKILL);
  fs::copy(work, half, fs::copy_options::recursive);
  for (int at = 1; at <= 5; ++at) {
    fs::remove_all(work);
    fs::copy(half, work, fs::copy_options::recursive);
    const Args resume = pruning(out, {"--remove", "0.2", "--resume"});
    ASSERT_EQ(run_with({"kill", at, work}, resume).exit, -SIGKILL) << at;
    const Ran ran = run(resume);
    ASSERT_EQ(ran.exit, 0) << at << "\n" << ran.err;
    EXPECT_THAT(differing(whole, out), IsEmpty()) << at;
  }
}

}  // namespace
}  // namespace mop::testing
