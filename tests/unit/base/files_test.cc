#include "base/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"
#include "kit/random_model.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

size_t files_in(const fs::path& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(Files, WhatIsWrittenIsRead) {
  TempFolder folder;
  std::string bytes(200000, 'x');
  bytes[77] = '\0';
  write_file(folder.path() / "a", bytes);
  EXPECT_EQ(read_file(folder.path() / "a"), bytes);
  write_file(folder.path() / "a", "");
  EXPECT_EQ(read_file(folder.path() / "a"), "");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(Files, AFileThatCannotBeReadIsNamedWithTheReason) {
  TempFolder folder;
  for (const auto& [name, reason] :
       {std::pair("absent", "No such file"), std::pair(".", "Is a directory")}) {
    try {
      read_file(folder.path() / name);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kIo);
      EXPECT_THAT(e.what(), AllOf(HasSubstr("cannot read"), HasSubstr(reason),
                                  HasSubstr(folder.path().string())));
    }
  }
}

// As root a rename would put a file in the place of /dev/null.
TEST(Files, APipeIsWrittenToAndStaysOne) {
  TempFolder folder;
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int end = ::open(pipe.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  write_file(pipe, "text");
  char text[5] = {};
  EXPECT_EQ(::read(end, text, 4), 4);
  EXPECT_STREQ(text, "text");
  ::close(end);
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(Files, AFailedWriteLeavesWhatWasThere) {
  TempFolder folder;
  const fs::path path = folder.path() / "a";
  write_file(path, "before");
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{1000, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  std::string text;
  try {
    write_file(path, std::string(5000, 'x'));
  } catch (const Error& e) {
    text = e.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &limit);
  EXPECT_THAT(text, AllOf(HasSubstr("cannot write"), HasSubstr(path.string())));
  EXPECT_EQ(read_file(path), "before");
  EXPECT_EQ(files_in(folder.path()), 1u);
  EXPECT_THROW(write_file(folder.path() / "no/such/folder", "x"), Error);
}

// A reader sees the old text or a new one, never a part.
TEST(Files, WritersAndReadersDoNotDisturbEachOther) {
  TempFolder folder;
  const fs::path path = folder.path() / "a";
  write_file(path, std::string(5000, '0'));
  std::vector<std::thread> writers;
  for (char letter : {'1', '2', '3'}) {
    writers.emplace_back([=] {
      for (int i = 0; i < 20; ++i) write_file(path, std::string(5000, letter));
    });
  }
  for (int i = 0; i < 200; ++i) {
    const std::string text = read_file(path);
    ASSERT_EQ(text, std::string(5000, text[0]));
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(Files, Sha256IsTheKnownOne) {
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 pieces;
  pieces.add("a");
  pieces.add("bc");
  EXPECT_EQ(pieces.hex(), sha256("abc"));
}

TEST(Files, DevicesAndPipesAreNotRead) {
  TempFolder folder;
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  fs::create_symlink("/dev/zero", folder.path() / "zero");
  for (const fs::path& file : {pipe, folder.path() / "zero", fs::path("/dev/zero")}) {
    try {
      read_file(file);
      FAIL() << file;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), AllOf(HasSubstr("not a regular file"), HasSubstr(file.string())));
    }
  }
}

}  // namespace
}  // namespace mop
