#include "run/run_folder.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <new>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::TempFolder;

class RunFolderTest : public ::testing::Test {
 protected:
  RunFolderTest() : out_(temp_.path() / "out"), model_(temp_.path() / "model") {
    fs::create_directories(model_);
    write_file(model_ / "config.json", "{}");
  }

  RunFolder claim(IfThere if_there = IfThere::kRefuse) {
    return RunFolder::claim(out_, model_, if_there);
  }

  void sign(const RunFolder& folder) {
    write_file(folder.run() / "manifest.json", R"({"program": "mop"})");
  }

  void finish_a_run(const std::string& content) {
    RunFolder folder = claim(IfThere::kReplace);
    sign(folder);
    write_file(folder.work() / "config.json", content);
    folder.publish();
  }

  void expect_error(const std::function<void()>& call, ErrorKind kind, const std::string& text) {
    try {
      call();
      FAIL() << "nothing was thrown";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), kind);
      EXPECT_THAT(e.what(), HasSubstr(text));
    }
  }

  TempFolder temp_;
  fs::path out_, model_;
};

TEST_F(RunFolderTest, TheOutputAppearsWholeAndAtOnce) {
  RunFolder folder = claim();
  sign(folder);
  write_file(folder.work() / "config.json", "new");
  EXPECT_FALSE(fs::exists(out_));
  folder.publish();
  EXPECT_EQ(read_file(out_ / "config.json"), "new");
  EXPECT_FALSE(fs::exists(folder.work()));
  EXPECT_EQ(std::distance(fs::directory_iterator(out_), {}), 2)
      << "nothing but config.json and run/";
}

TEST_F(RunFolderTest, AnEmptyOutputFolderIsUsed) {
  fs::create_directories(out_);
  finish_a_run("new");
  EXPECT_EQ(read_file(out_ / "config.json"), "new");
}

TEST_F(RunFolderTest, ANonEmptyOutputFolderIsRefused) {
  fs::create_directories(out_);
  write_file(out_ / "thesis.txt", "x");
  expect_error([&] { claim(); }, ErrorKind::kUsage, "the output folder is not empty");
  expect_error([&] { claim(IfThere::kResume); }, ErrorKind::kUsage,
               "the output folder is not empty");
}

TEST_F(RunFolderTest, ForceReplacesOnlyWhatMopWrote) {
  fs::create_directories(out_ / "run");
  write_file(out_ / "thesis.txt", "x");
  write_file(out_ / "run" / "manifest.json", R"({"program": "other"})");
  expect_error([&] { claim(IfThere::kReplace); }, ErrorKind::kUsage,
               "files that were not written by mop");
  EXPECT_EQ(read_file(out_ / "thesis.txt"), "x");
}

TEST_F(RunFolderTest, ForceKeepsTheOldResultUntilTheNewOneIsWhole) {
  finish_a_run("old");
  RunFolder folder = claim(IfThere::kReplace);
  sign(folder);
  write_file(folder.work() / "config.json", "new");
  EXPECT_EQ(read_file(out_ / "config.json"), "old");
  folder.publish();
  EXPECT_EQ(read_file(out_ / "config.json"), "new");
  EXPECT_FALSE(fs::exists(folder.work()));
}

TEST_F(RunFolderTest, AnInterruptedForceIsResumedAsSuch) {
  finish_a_run("old");
  { sign(claim(IfThere::kReplace)); }
  RunFolder folder = claim(IfThere::kResume);
  EXPECT_FALSE(folder.finished());
  write_file(folder.work() / "config.json", "new");
  folder.publish();
  EXPECT_EQ(read_file(out_ / "config.json"), "new");
}

TEST_F(RunFolderTest, AnInterruptedRunIsContinuedOrStartedOverButNotIgnored) {
  {
    RunFolder folder = claim();
    sign(folder);
    write_file(folder.run() / "steps" / "kept", "x");
    write_file(folder.run() / "half.tmp123", "x");
    write_file(folder.work() / "model.safetensors", "half");
  }
  expect_error([&] { claim(); }, ErrorKind::kUsage, "--resume continues it, --force starts over");
  {
    RunFolder folder = claim(IfThere::kResume);
    EXPECT_EQ(folder.earlier()["program"], "mop");
    EXPECT_TRUE(fs::exists(folder.run() / "steps" / "kept"));
    EXPECT_FALSE(fs::exists(folder.run() / "half.tmp123"));
    EXPECT_FALSE(fs::exists(folder.work() / "model.safetensors"));
  }
  RunFolder folder = claim(IfThere::kReplace);
  EXPECT_TRUE(folder.earlier().is_null());
  EXPECT_FALSE(fs::exists(folder.run() / "steps" / "kept"));
}

TEST_F(RunFolderTest, ResumeStartsWhenThereIsNothingToContinue) {
  RunFolder folder = claim(IfThere::kResume);
  EXPECT_TRUE(folder.earlier().is_null());
  EXPECT_FALSE(folder.finished());
}

TEST_F(RunFolderTest, ResumeOfAFinishedRunHasNothingToDo) {
  finish_a_run("done");
  EXPECT_TRUE(claim(IfThere::kResume).finished());
  EXPECT_EQ(read_file(out_ / "config.json"), "done");
}

TEST_F(RunFolderTest, WhatAKilledReplacementLeftIsTidiedUp) {
  finish_a_run("new");
  // As if killed between the exchange and the removal of the old result.
  fs::copy(out_, out_.string() + ".partial", fs::copy_options::recursive);
  write_file(out_ / ".mop-working", "replaces");
  fs::create_directories(out_ / "run" / "state");
  EXPECT_TRUE(claim(IfThere::kResume).finished());
  EXPECT_FALSE(fs::exists(out_ / "run" / "state"));
  EXPECT_FALSE(fs::exists(out_.string() + ".partial"));
  EXPECT_FALSE(fs::exists(out_ / ".mop-working"));
}

// The old result's manifest may be the first of its files that went.
TEST_F(RunFolderTest, ARemovalOfTheOldResultThatWasKilledIsFinished) {
  for (const IfThere if_there : {IfThere::kResume, IfThere::kReplace}) {
    finish_a_run("new");
    write_file(out_ / ".mop-working", "replaces");
    fs::create_directories(out_.string() + ".partial/run");
    write_file(out_.string() + ".partial/config.json", "old");
    claim(if_there);
    EXPECT_FALSE(fs::exists(out_.string() + ".partial/config.json"));
    EXPECT_EQ(read_file(out_ / "config.json"), "new");
    fs::remove_all(out_.string() + ".partial");
  }
}

TEST_F(RunFolderTest, AResultThatIsCalledLikeAWorkingFolderIsNotTouched) {
  finish_a_run("ours");
  const fs::path ours = out_, theirs = out_.string() + ".partial";
  out_ = theirs;
  finish_a_run("theirs");
  out_ = ours;
  EXPECT_TRUE(claim(IfThere::kResume).finished());
  EXPECT_EQ(read_file(theirs / "config.json"), "theirs");
  expect_error([&] { claim(IfThere::kReplace); }, ErrorKind::kUsage,
               "files that were not written by mop");
  EXPECT_EQ(read_file(theirs / "config.json"), "theirs");
}

TEST_F(RunFolderTest, TheWorkingFolderOfAnUnfinishedRunIsNoOutputFolder) {
  sign(claim());
  const fs::path work = out_.string() + ".partial";
  fs::create_directories(work / "run" / "state");
  write_file(work / "run" / "state" / "kept", "x");
  out_ = work;
  for (const IfThere if_there : {IfThere::kRefuse, IfThere::kResume, IfThere::kReplace}) {
    expect_error([&] { claim(if_there); }, ErrorKind::kUsage,
                 "--out is the working folder of a run that has not finished");
  }
  EXPECT_TRUE(fs::exists(work / "run" / "state" / "kept"));
}

// Between the folder and its marker there is nothing, an empty folder, or an empty marker.
TEST_F(RunFolderTest, AKillBeforeTheRunBeganStopsNobody) {
  for (const bool marked : {false, true}) {
    for (const IfThere if_there : {IfThere::kResume, IfThere::kReplace}) {
      fs::create_directories(out_.string() + ".partial");
      if (marked) write_file(out_.string() + ".partial/.mop-working", "");
      EXPECT_FALSE(claim(if_there).finished());
      fs::remove_all(out_.string() + ".partial");
    }
  }
}

TEST_F(RunFolderTest, WhatResumingNeedsGoesOnlyWhenTheOutputIsWhole) {
  RunFolder folder = claim();
  sign(folder);
  for (const char* name : {"state", "initial"}) {
    fs::create_directories(folder.run() / name);
    write_file(folder.run() / name / "model.safetensors", "x");
  }
  fs::create_directories(out_);
  write_file(out_ / "thesis.txt", "x");
  expect_error([&] { folder.publish(); }, ErrorKind::kUsage, "files that were not written by mop");
  EXPECT_TRUE(fs::exists(folder.run() / "state" / "model.safetensors"));
  EXPECT_TRUE(fs::exists(folder.run() / "initial" / "model.safetensors"));
  fs::remove_all(out_);
  folder.publish();
  EXPECT_FALSE(fs::exists(out_ / "run" / "state"));
  EXPECT_FALSE(fs::exists(out_ / "run" / "initial"));
}

TEST_F(RunFolderTest, AForeignWorkingFolderIsNotTouched) {
  const fs::path work = out_.string() + ".partial";
  fs::create_directories(work);
  write_file(work / "mine.txt", "x");
  for (const IfThere if_there : {IfThere::kRefuse, IfThere::kResume, IfThere::kReplace}) {
    EXPECT_THROW(claim(if_there), Error);
  }
  EXPECT_EQ(read_file(work / "mine.txt"), "x");
}

TEST_F(RunFolderTest, TwoRunsDoNotShareAFolder) {
  RunFolder folder = claim();
  expect_error([&] { claim(IfThere::kResume); }, ErrorKind::kIo,
               "another run is using this folder");
  expect_error([&] { claim(IfThere::kReplace); }, ErrorKind::kIo,
               "another run is using this folder");
}

TEST_F(RunFolderTest, ModelAndOutputMustNotOverlap) {
  const auto refused = [&](const fs::path& out) {
    expect_error([&] { RunFolder::claim(out, model_, IfThere::kReplace); }, ErrorKind::kUsage,
                 "--out and the model must not overlap");
  };
  refused(model_);
  refused(model_ / "pruned");
  refused(temp_.path());
  refused(model_ / ".." / "model");
  fs::create_directory_symlink(model_, temp_.path() / "link");
  refused(temp_.path() / "link");
  refused(temp_.path() / "link" / "deep" / "er");
  EXPECT_EQ(read_file(model_ / "config.json"), "{}");
  // A name that only begins the same is another folder.
  out_ = model_.string() + "-pruned";
  claim();
}

TEST_F(RunFolderTest, ALinkThatLeadsNowhereIsRefusedBeforeTheWork) {
  fs::create_directory_symlink(temp_.path() / "later", out_);
  expect_error([&] { claim(); }, ErrorKind::kUsage,
               "--out is a link to a folder that does not exist");
  expect_error([&] { check_output_folder(out_, model_); }, ErrorKind::kUsage, "is a link");
  fs::create_directory(temp_.path() / "later");
  RunFolder folder = claim();
  sign(folder);
  folder.publish();
  EXPECT_TRUE(fs::exists(temp_.path() / "later" / "run" / "manifest.json"));
}

TEST_F(RunFolderTest, ResumingIntoAForeignFolderLeavesNothing) {
  fs::create_directories(out_);
  write_file(out_ / "notes.txt", "mine");
  expect_error([&] { claim(IfThere::kResume); }, ErrorKind::kUsage, "not empty");
  EXPECT_FALSE(fs::exists(working_folder(out_)));
  fs::remove(out_ / "notes.txt");
  claim();
}

TEST_F(RunFolderTest, AFileIsNoOutputFolder) {
  write_file(out_, "x");
  expect_error([&] { claim(IfThere::kReplace); }, ErrorKind::kUsage,
               "--out is a file, not a folder");
}

TEST_F(RunFolderTest, AFolderThatCannotBeMadeIsOneClearError) {
  write_file(temp_.path() / "file", "x");
  out_ = temp_.path() / "file" / "out";
  expect_error([&] { claim(); }, ErrorKind::kIo, "cannot make the folder");
}

// What a run that throws `e` ends with.
template <typename Exception>
std::string seen(const Exception& e) {
  try {
    try {
      throw e;
    } catch (const std::exception&) {
      rethrow_resumable({"steps, validation", "lower it", std::nullopt});
    }
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& other) {
    return std::string("another: ") + other.what();
  }
}

TEST(RethrowResumable, SaysHowToContinueWhereFilesStayUsable) {
  constexpr const char* kLine =
      "resume: completed work is kept; the same command with --resume continues";
  EXPECT_THAT(seen(io_error("the disk is full")), HasSubstr(kLine));
  const std::string memory =
      seen(c10::OutOfMemoryError({"f", "f.cpp", 1}, "CUDA out of memory. Tried to allocate 1 GiB"));
  EXPECT_THAT(memory, ::testing::StartsWith("the device ran out of memory\n"));
  EXPECT_THAT(memory, HasSubstr(kLine));
  EXPECT_THAT(memory, HasSubstr("while:  steps, validation"));
  EXPECT_THAT(memory, HasSubstr("hint:   lower it"));
  EXPECT_THAT(seen(std::bad_alloc()), HasSubstr(kLine));
}

TEST(RethrowResumable, LeavesOurBugsWrongUseAndOthersExceptionsAsTheyAre) {
  EXPECT_EQ(seen(usage_error("no such flag")), "no such flag");
  EXPECT_EQ(seen(internal_error("a bug")), "a bug");
  EXPECT_EQ(seen(std::runtime_error("of a callback")), "another: of a callback");
}

}  // namespace
}  // namespace mop
