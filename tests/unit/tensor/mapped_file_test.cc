#include "tensor/mapped_file.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"
#include "tensor/lost_bytes.h"
#include "tensor/writable_view.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::TempFolder;
using ::testing::HasSubstr;

constexpr size_t kPage = 4096;

fs::path make_file(const TempFolder& folder, const std::string& name, size_t bytes) {
  const fs::path path = folder.path() / name;
  write_file(path, std::string(bytes, '\x01'));
  return path;
}

std::string error_of_check() {
  try {
    check_mappings();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kIo);
    return e.what();
  }
  return "";
}

TEST(MappedFile, ShowsTheFilesBytes) {
  TempFolder folder;
  const auto path = folder.path() / "a";
  write_file(path, "hello");
  const auto file = MappedFile::open(path);
  ASSERT_EQ(file->bytes().size(), 5u);
  EXPECT_EQ(std::memcmp(file->bytes().data(), "hello", 5), 0);
  EXPECT_EQ(error_of_check(), "");
}

TEST(MappedFile, AnEmptyFileHasNoBytes) {
  TempFolder folder;
  EXPECT_TRUE(MappedFile::open(make_file(folder, "empty", 0))->bytes().empty());
}

TEST(MappedFile, RefusesWhatIsNotARegularFile) {
  TempFolder folder;
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  for (const char* name : {"absent", ".", "pipe"}) {
    try {
      MappedFile::open(folder.path() / name);
      FAIL() << name;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kIo);
      EXPECT_THAT(e.what(), HasSubstr((folder.path() / name).string()));
      if (name == std::string_view(".")) EXPECT_THAT(e.what(), HasSubstr("Is a directory"));
    }
  }
}

TEST(MappedFile, ATensorViewKeepsTheMappingAlive) {
  TempFolder folder;
  const auto path = folder.path() / "a";
  const float values[] = {1, 2, 3, 4};
  write_file(path, {reinterpret_cast<const char*>(values), sizeof values});
  at::Tensor tensor;
  {
    const auto file = MappedFile::open(path);
    tensor = tensor_view(file, 0, {2, 2}, at::kFloat);
    EXPECT_EQ(tensor.const_data_ptr(), file->bytes().data());
  }
  EXPECT_EQ(tensor.sum().item<float>(), 10);
}

TEST(WritableView, WhatIsWrittenStaysWithTheView) {
  TempFolder folder;
  const auto path = make_file(folder, "a", 3 * kPage);
  at::Tensor mine;
  {
    const auto file = MappedFile::open(path);
    const at::Tensor mapped = tensor_view(file, 100, {2 * kPage}, at::kByte);
    mine = writable_view(mapped);
    EXPECT_NE(mine.const_data_ptr(), mapped.const_data_ptr());
    EXPECT_TRUE(at::equal(mine, mapped));
    mine.fill_(7);
    EXPECT_TRUE(at::equal(mapped, at::ones_like(mapped)));
  }
  EXPECT_TRUE(at::equal(mine, at::full_like(mine, 7))) << "the view outlives the mapping";
  EXPECT_EQ(read_file(path), std::string(3 * kPage, '\x01'));
}

TEST(WritableView, OtherMemoryIsItselfAndStridesAreCopied) {
  TempFolder folder;
  const auto file = MappedFile::open(make_file(folder, "a", kPage));
  const at::Tensor other = at::ones({3});
  EXPECT_EQ(writable_view(other).const_data_ptr(), other.const_data_ptr());
  const at::Tensor columns = tensor_view(file, 0, {8, 8}, at::kByte).t();
  at::Tensor mine = writable_view(columns);
  mine.zero_();
  EXPECT_EQ(columns.sum().item<int64_t>(), 64);
}

TEST(WritableView, AFileThatShrinksIsStillAnError) {
  TempFolder folder;
  const auto path = make_file(folder, "a", 4 * kPage);
  const auto file = MappedFile::open(path);
  at::Tensor mine = writable_view(tensor_view(file, 0, {4 * kPage}, at::kByte));
  ASSERT_EQ(::truncate(path.c_str(), kPage), 0);
  mine.fill_(5);
  EXPECT_EQ(mine[2 * kPage].item<int64_t>(), 5);
  EXPECT_THAT(error_of_check(), HasSubstr(path.string()));
}

TEST(MappedFile, AMisalignedTensorIsCopied) {
  TempFolder folder;
  const auto path = folder.path() / "a";
  std::string bytes = "x";
  const float value = 2.5f;
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  write_file(path, bytes);
  const at::Tensor tensor = tensor_view(MappedFile::open(path), 1, {1}, at::kFloat);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % sizeof(float), 0u);
  EXPECT_EQ(tensor.item<float>(), 2.5f);
}

TEST(MappedFile, AViewBeyondTheEndIsOurBug) {
  TempFolder folder;
  const auto file = MappedFile::open(make_file(folder, "a", 16));
  EXPECT_THROW(tensor_view(file, 8, {3}, at::kFloat), Error);
  EXPECT_THROW(tensor_view(file, 17, {0}, at::kFloat), Error);
}

TEST(MappedFile, AFileThatShrinksUnderAGemmBecomesAnError) {
  TempFolder folder;
  const size_t side = 512;
  const auto path = make_file(folder, "weights", side * side * sizeof(float));
  const auto file = MappedFile::open(path);
  const at::Tensor weight = tensor_view(file, 0, {side, side}, at::kFloat);
  ASSERT_EQ(::truncate(path.c_str(), 3 * kPage), 0);
  at::set_num_threads(2);
  const at::Tensor product = at::matmul(at::ones({64, side}), weight.t());
  EXPECT_EQ(product.index({at::indexing::Slice(), -1}).abs().sum().item<float>(), 0);
  const std::string text = error_of_check();
  EXPECT_THAT(text, HasSubstr("shrank while it was mapped"));
  EXPECT_THAT(text, HasSubstr(path.string()));
  EXPECT_NE(error_of_check(), "") << "the mapping is still of no use";
}

// As where a disk fails: bytes are not given, and the file is as long as it was.
TEST(MappedFile, BytesThatTheDiskDoesNotGiveAreAnErrorToo) {
  TempFolder folder;
  const auto path = make_file(folder, "weights", 4 * kPage);
  const auto file = MappedFile::open(path);
  ASSERT_EQ(::truncate(path.c_str(), kPage), 0);
  EXPECT_EQ(std::to_integer<int>(file->bytes()[3 * kPage]), 0);
  ASSERT_EQ(::truncate(path.c_str(), 4 * kPage), 0);
  EXPECT_THAT(error_of_check(), HasSubstr("could not be read while it was mapped"));
}

TEST(MappedFile, AFileCutInsideItsLastPageIsNoticedToo) {
  TempFolder folder;
  const auto path = make_file(folder, "weights", 2 * kPage);
  const auto file = MappedFile::open(path);
  ASSERT_EQ(::truncate(path.c_str(), 2 * kPage - 8), 0);
  EXPECT_EQ(std::to_integer<int>(file->bytes()[2 * kPage - 1]), 0);
  EXPECT_THAT(error_of_check(), HasSubstr(path.string()));
}

TEST(MappedFile, AShrunkenFileIsToldOnceEvenAfterItWasUnmapped) {
  TempFolder folder;
  const auto path = make_file(folder, "weights", 4 * kPage);
  {
    const auto file = MappedFile::open(path);
    ASSERT_EQ(::truncate(path.c_str(), 0), 0);
    EXPECT_EQ(std::to_integer<int>(file->bytes()[3 * kPage]), 0);
  }
  EXPECT_THAT(error_of_check(), HasSubstr(path.string()));
  EXPECT_EQ(error_of_check(), "");
}

TEST(MappedFile, AnErrorThatFollowsFromLostBytesIsToldAsThat) {
  TempFolder folder;
  const auto path = make_file(folder, "weights", 4 * kPage);
  {
    const auto file = MappedFile::open(path);
    ASSERT_EQ(::truncate(path.c_str(), 0), 0);
    EXPECT_EQ(std::to_integer<int>(file->bytes()[0]), 0);
  }
  const Error error = bad_input("the header is no JSON");
  EXPECT_THAT(cause_of(error).what(), HasSubstr("shrank while it was mapped"));
  EXPECT_EQ(cause_of(error).message(), "the header is no JSON") << "it was told once";
}

TEST(MappedFile, ReplacingTheFileByAnotherDoesNoHarm) {
  TempFolder folder;
  const auto path = make_file(folder, "weights", 4 * kPage);
  const auto file = MappedFile::open(path);
  write_file(path, "short");
  EXPECT_EQ(std::to_integer<int>(file->bytes()[3 * kPage]), 1);
  EXPECT_EQ(error_of_check(), "");
}

TEST(MappedFile, PrefetchAndReleaseChangeNothingThatIsRead) {
  TempFolder folder;
  const auto file = MappedFile::open(make_file(folder, "weights", 8 * kPage + 12));
  const at::Tensor view = tensor_view(file, 8, {static_cast<int64_t>(8 * kPage)}, at::kByte);
  prefetch(view);
  EXPECT_EQ(view.sum().item<int64_t>(), static_cast<int64_t>(8 * kPage));
  release(view);
  EXPECT_EQ(view.sum().item<int64_t>(), static_cast<int64_t>(8 * kPage));
  const at::Tensor plain = at::ones({100000}, at::kByte);
  prefetch(plain);
  release(plain);
  EXPECT_EQ(plain.sum().item<int64_t>(), 100000) << "memory that is not ours must not be dropped";
}

// Faults outside our mappings still end the program the usual way.
TEST(MappedFileDeathTest, ABusErrorThatIsNotOursStillKills) {
  TempFolder folder;
  const auto ours = MappedFile::open(make_file(folder, "ours", kPage));
  const auto touch_foreign = [&] {
    const auto path = make_file(folder, "foreign", kPage);
    const int fd = ::open(path.c_str(), O_RDONLY);
    auto* data = static_cast<volatile char*>(::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, 0));
    if (::truncate(path.c_str(), 0) != 0) return;
    (void)data[0];
  };
  EXPECT_EXIT(touch_foreign(), ::testing::KilledBySignal(SIGBUS), "");
  EXPECT_EXIT(::raise(SIGBUS), ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace mop
