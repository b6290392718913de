#include "base/temporary.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "base/error.h"
#include "base/files.h"
#include "base/line_file.h"
#include "kit/random_model.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::TempFolder;
using ::testing::HasSubstr;

TEST(Temporary, WhatAKilledProcessLeftGoesWithTheNextWrite) {
  TempFolder folder;
  const fs::path file = folder.path() / "result.json";
  for (const char* end : {".tmp17-0", ".tmp17-0.tmp17-1"}) write_file(file.string() + end, "half");
  fs::create_directories(file.string() + ".tmp4-2/inside");
  write_file(file, "whole");
  EXPECT_EQ(read_file(file), "whole");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(Temporary, WhatIsHeldOrBelongsToAnotherNameStays) {
  TempFolder folder;
  const fs::path file = folder.path() / "a";
  const std::vector<std::string> others = {"a.tmp",     "a.tmp1",   "a.tmp1-",  "a.tmp1-2x",
                                           "ab.tmp1-2", "a.tmpx-1", "b.tmp1-2", "a.tmp1-2.bak"};
  for (const std::string& name : others) write_file(folder.path() / name, "");
  const int held = make_temporary_file(folder.path() / "a.tmp9-9");
  const int held_folder = make_temporary_folder(folder.path() / "a.tmp9-10");
  remove_left_neighbours(file);
  for (const std::string& name : others) EXPECT_TRUE(fs::exists(folder.path() / name)) << name;
  EXPECT_TRUE(fs::exists(folder.path() / "a.tmp9-9"));
  EXPECT_TRUE(fs::exists(folder.path() / "a.tmp9-10"));
  ::close(held);
  ::close(held_folder);
  remove_left_neighbours(file);
  EXPECT_FALSE(fs::exists(folder.path() / "a.tmp9-9"));
  EXPECT_FALSE(fs::exists(folder.path() / "a.tmp9-10"));
}

TEST(LineFile, KeepsEveryLineAndGoesOnBehindThem) {
  TempFolder folder;
  const fs::path path = folder.path() / "log";
  {
    LineFile file(path);
    file.add("one");
    EXPECT_EQ(read_file(path), "one\n") << "at once";
    file.add("");
  }
  LineFile(path).add("three");
  EXPECT_EQ(read_file(path), "one\n\nthree\n");
}

TEST(LineFile, SaysThatItCannotWrite) {
  const auto error_of = [](const std::function<void()>& call) -> std::string {
    try {
      call();
    } catch (const Error& e) {
      return e.kind() == ErrorKind::kIo ? e.what() : "another kind";
    }
    return "nothing was thrown";
  };
  EXPECT_THAT(error_of([] { LineFile("/dev/full").add("x"); }),
              HasSubstr("cannot write: No space left on device\n  file: /dev/full"));
  EXPECT_THAT(error_of([] { LineFile("/nowhere/log"); }), HasSubstr("No such file"));
}

}  // namespace
}  // namespace mop
