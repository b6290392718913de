#include "base/file_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>

#include "kit/random_model.h"

namespace mop {
namespace {
using mop::testing::TempFolder;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

TEST(FileError, NamesTheFileOrFolderAndTheReason) {
  const TempFolder folder;
  const Error file = file_error("write", folder.path() / "a", EACCES);
  EXPECT_EQ(file.kind(), ErrorKind::kIo);
  EXPECT_EQ(file.message(), "cannot write: Permission denied");
  EXPECT_THAT(file.what(), HasSubstr("\n  file: " + (folder.path() / "a").string()));
  EXPECT_THAT(file_error("read", folder.path(), EIO).what(),
              HasSubstr("\n  folder: " + folder.path().string()));
}

TEST(FileError, AFullDiskSaysHowMuchRoomThereIsAndWasNeeded) {
  const TempFolder folder;
  const auto path = folder.path() / "not" / "there";
  EXPECT_THAT(file_error("write", path, ENOSPC).what(),
              AllOf(ContainsRegex("room: +[0-9.]+ .?B are free"), HasSubstr("hint:")));
  EXPECT_THAT(file_error("write", path, ENOSPC, 13476831232).what(),
              ContainsRegex("room: +13.5 GB are needed, [0-9.]+ .?B are free"));
}

TEST(FileError, LimitsOfTheSystemAreToldWithTheirNumbers) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  EXPECT_THAT(file_error("read", "a", EMFILE).what(),
              HasSubstr(fmt::format("the limit on open files is {}", files.rlim_cur)));
  EXPECT_THAT(file_error("write", "a", EFBIG).what(), HasSubstr("ulimit -f"));
}

TEST(FreeDiskBytes, AreThoseOfTheNearestFolderThatIsThere) {
  const TempFolder folder;
  EXPECT_GT(free_disk_bytes(folder.path() / "not" / "there").value(), 0);
  EXPECT_GT(free_disk_bytes("neither").value(), 0);
}

}  // namespace
}  // namespace mop
