// Disks and limits that run out while a job works, and files that shrink under it: one clear error
// that says what there is of what is short, nothing that was there is lost, and once there is more
// the job continues to the bytes of one that never met the limit.
#include <sys/mount.h>

#include "e2e/small_disk.h"
#include "e2e/small_jobs.h"

namespace mop::testing {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class Limited : public ::testing::Test {
 protected:
  fs::path file(const std::string& name) const { return temp_.path() / name; }
  // Starts the job, waits until its run folder is there, and lets `happen` come between.
  template <typename Happen>
  static Ran interrupted(const Args& args, const fs::path& out, const Happen& happen) {
    Process process(args);
    wait_for(process, out.string() + ".partial/run/manifest.json");
    process.send(SIGSTOP);
    happen();
    process.send(SIGCONT);
    return process.wait();
  }

  TempFolder temp_;
};

class FullDisk : public Limited, public ::testing::WithParamInterface<Job> {};

// In the middle of a job that continues; from the first byte on in one that does not.
TEST_P(FullDisk, IsOneErrorWithTheRoomThereIsAndLosesNothing) {
  const Job& job = GetParam();
  const SmallDisk disk(file("disk"), "size=64m");
  if (!disk.mounted()) GTEST_SKIP() << SmallDisk::skipped();
  const fs::path out = disk.path() / "out", older = disk.path() / "older";
  const auto expected = undisturbed(job, file("whole"));
  write_file(older, "years of work");
  Ran ran;
  if (job.resumes) {
    ran = interrupted(job.args(out), out, [&] { disk.fill(); });
  } else {
    disk.fill();
    ran = run(job.args(out));
  }
  EXPECT_EQ(ran.exit, 1) << ran.err;
  EXPECT_THAT(ran.err, AllOf(HasSubstr("error: "), HasSubstr(disk.path().string()),
                             ContainsRegex("free, .* are needed|are needed, .* are free|room: ")));
  EXPECT_FALSE(fs::exists(out));
  EXPECT_EQ(read_file(older), "years of work");
  disk.empty();
  ran = run(again(job, out));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(result(out), expected);
}
INSTANTIATE_TEST_SUITE_P(All, FullDisk, ::testing::ValuesIn(jobs()),
                         [](const auto& info) { return info.param.name; });

TEST_F(Limited, AnOlderResultOutlivesAFullDisk) {
  const SmallDisk disk(file("disk"), "size=64m");
  if (!disk.mounted()) GTEST_SKIP() << SmallDisk::skipped();
  const fs::path out = disk.path() / "out";
  for (const char* name : {"ExportGguf", "Eval"}) {
    const auto job = std::ranges::find(jobs(), name, &Job::name);
    write_file(out, "an older result");
    disk.fill();
    const Ran ran = run(job->args(out));
    EXPECT_EQ(ran.exit, 1) << name << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("are needed, 0 B are free")) << name;
    EXPECT_EQ(read_file(out), "an older result") << name;
    disk.empty();
  }
}

TEST_F(Limited, ADiskThatHoldsNoFurtherFileSaysSo) {
  const SmallDisk disk(file("disk"), "size=64m,nr_inodes=16");
  if (!disk.mounted()) GTEST_SKIP() << SmallDisk::skipped();
  const fs::path out = disk.path() / "out";
  const Job& job = jobs().front();
  const Ran ran = run(job.args(out));
  EXPECT_EQ(ran.exit, 1) << ran.err;
  EXPECT_THAT(ran.err, AllOf(HasSubstr("No space left on device"),
                             HasSubstr("all 16 files that the disk can hold are there"),
                             HasSubstr("--resume continues")));
  EXPECT_FALSE(fs::exists(out));
  ASSERT_EQ(::mount("", disk.path().c_str(), "", MS_REMOUNT, "nr_inodes=1000"), 0);
  ASSERT_EQ(run(again(job, out)).exit, 0);
  EXPECT_EQ(result(out), undisturbed(job, file("whole")));
}

TEST_F(Limited, AFolderThatIsReadOnlyIsNamed) {
  const SmallDisk disk(file("disk"), "size=1m");
  if (!disk.mounted()) GTEST_SKIP() << SmallDisk::skipped();
  ASSERT_EQ(::mount("", disk.path().c_str(), "", MS_REMOUNT | MS_RDONLY, ""), 0);
  for (const Job& job : jobs()) {
    const Ran ran = run(job.args(disk.path() / "out"));
    EXPECT_EQ(ran.exit, 1) << job.name << ran.err;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("error: "), HasSubstr("Read-only file system"),
                               HasSubstr(disk.path().string())))
        << job.name;
  }
}

// A shell allows 1024 open files at first, and the system many more.
TEST_F(Limited, OpenFilesAreAllowedAsManyAsTheSystemGives) {
  const Job& job = jobs().front();
  const fs::path out = file("out");
  const Ran ran = Process(job.args(out), {.open_files = 16, .most_open_files = 1024}).wait();
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(result(out), undisturbed(job, file("whole")));
}

TEST_F(Limited, TooManyOpenFilesAreOneErrorWithTheLimit) {
  const Job& job = jobs().front();
  const fs::path out = file("out");
  const Ran ran = Process(job.args(out), {.open_files = 12, .most_open_files = 12}).wait();
  EXPECT_EQ(ran.exit, 1) << ran.err;
  EXPECT_THAT(ran.err, AllOf(HasSubstr("error: "), HasSubstr("Too many open files"),
                             HasSubstr("the limit on open files is 12: `ulimit -n` raises it")));
  ASSERT_EQ(run(again(job, out)).exit, 0);
  EXPECT_EQ(result(out), undisturbed(job, file("whole")));
}

TEST_F(Limited, AModelThatShrinksUnderAJobIsNamed) {
  for (const Job& job : jobs()) {
    if (!job.resumes || job.name == "Train") continue;  // which reads no weights
    fs::copy(Home::get().model(), file("model"), fs::copy_options::recursive);
    Args args = job.args(file("out"));
    std::ranges::replace(args, Home::get().model(), file("model").string());
    const fs::path weights = file("model") / "model.safetensors";
    const Ran ran = interrupted(args, file("out"),
                                [&] { fs::resize_file(weights, fs::file_size(weights) / 4); });
    EXPECT_EQ(ran.exit, 1) << job.name << ran.err;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("error: the file shrank while it was mapped"),
                               HasSubstr(weights.string())))
        << job.name;
    EXPECT_FALSE(fs::exists(file("out"))) << job.name;
    for (const char* left : {"model", "out", "out.partial"}) fs::remove_all(file(left));
  }
}

}  // namespace
}  // namespace mop::testing
