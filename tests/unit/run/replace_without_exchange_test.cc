// tests/unit/run/replace_without_exchange_test.cc -- an old result is replaced by two renames,
// either of which may fail or be the last one before a kill.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <sys/syscall.h>

#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdio>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"
#include "run/run_folder.h"

// What this program's calls meet: a file system that cannot exchange two folders, and after how
// many renames which of them fail.
namespace {
struct FileSystem {
  bool exchanges = true;
  int renames = 0;
  int first_failing = INT_MAX, last_failing = INT_MAX;  ///< from 1
};
FileSystem file_system;
}  // namespace

extern "C" int rename(const char* from, const char* to) noexcept {
  const int number = ++file_system.renames;
  if (number >= file_system.first_failing && number <= file_system.last_failing) {
    errno = EIO;
    return -1;
  }
  static const auto real =
      reinterpret_cast<int (*)(const char*, const char*)>(::dlsym(RTLD_NEXT, "rename"));
  return real(from, to);
}

// It reads as many arguments as the longest call has: AddressSanitizer takes that for a fault.
extern "C" __attribute__((no_sanitize("address", "undefined"))) long syscall(long number,
                                                                             ...) noexcept {
  if (number == SYS_renameat2 && !file_system.exchanges) {
    errno = EINVAL;
    return -1;
  }
  long a[6];
  va_list list;
  va_start(list, number);
  for (long& value : a) value = va_arg(list, long);
  va_end(list);
  static const auto real = reinterpret_cast<long (*)(long, ...)>(::dlsym(RTLD_NEXT, "syscall"));
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

namespace mop {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class WithoutExchange : public ::testing::Test {
 protected:
  WithoutExchange() : out_(temp_.path() / "out") { finish_a_run("old"); }
  ~WithoutExchange() override { file_system = {}; }

  RunFolder claim(IfThere if_there = IfThere::kRefuse) {
    return RunFolder::claim(out_, temp_.path() / "model", if_there);
  }
  RunFolder written(const std::string& content) {
    RunFolder folder = claim(IfThere::kReplace);
    write_file(folder.run() / "manifest.json", R"({"program": "mop"})");
    write_file(folder.work() / "config.json", content);
    return folder;
  }
  void finish_a_run(const std::string& content) { written(content).publish(); }
  // Replaces the old result; of that, renames `first` to `last` fail.
  void replace(int first = INT_MAX, int last = INT_MAX) {
    RunFolder folder = written("new");
    file_system = {false, 0, first, last};
    folder.publish();
  }
  void expect_only(const std::string& content) {
    EXPECT_EQ(read_file(out_ / "config.json"), content);
    EXPECT_FALSE(fs::exists(out_.string() + ".partial"));
    EXPECT_EQ(std::distance(fs::directory_iterator(out_), {}), 2)
        << "nothing but config.json and run/";
  }
  template <typename Act>
  std::string error_of(Act&& act) {
    try {
      act();
    } catch (const Error& e) {
      return e.what();
    }
    return "nothing was thrown";
  }

  testing::TempFolder temp_;
  fs::path out_;
};

TEST_F(WithoutExchange, TheNewResultReplacesTheOldOne) {
  replace();
  expect_only("new");
}

TEST_F(WithoutExchange, ARenameThatFailsLeavesTheOldResult) {
  for (const int number : {1, 2}) {
    EXPECT_THAT(error_of([&] { replace(number, number); }), HasSubstr("Input/output error"));
    EXPECT_EQ(read_file(out_ / "config.json"), "old");
  }
  file_system = {};
  EXPECT_FALSE(claim(IfThere::kResume).finished());
  replace();
  expect_only("new");
}

// As after a kill, since nothing is put back either.
TEST_F(WithoutExchange, WhatEndsBetweenTheRenamesIsFinished) {
  const auto break_off = [&] {
    EXPECT_THAT(error_of([&] { replace(2, 3); }), HasSubstr("cannot rename to the output folder"));
    ASSERT_FALSE(fs::exists(out_));
    file_system = {};
  };
  break_off();
  EXPECT_TRUE(claim(IfThere::kResume).finished());
  expect_only("new");
  break_off();
  claim(IfThere::kReplace).discard();
  expect_only("new");
  break_off();
  EXPECT_THAT(error_of([&] { claim(); }), HasSubstr("the output folder is not empty"));
  EXPECT_EQ(read_file(out_ / "config.json"), "new");
  claim(IfThere::kReplace).discard();
  expect_only("new");
}

TEST_F(WithoutExchange, AReplacementThatGoesOnIsLeftAlone) {
  RunFolder folder = written("new");
  file_system = {false, 0, 2, 3};
  EXPECT_THROW(folder.publish(), Error);
  file_system = {};
  EXPECT_THAT(error_of([&] { claim(IfThere::kResume); }),
              HasSubstr("another run is using this folder"));
}

}  // namespace
}  // namespace mop
