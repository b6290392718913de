#include "checkpoint/safetensors.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::TempFolder;
using ::testing::HasSubstr;

size_t files_in(const fs::path& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(Safetensors, WhatIsWrittenIsRead) {
  TempFolder folder;
  const fs::path path = folder.path() / "a.safetensors";
  const std::map<std::string, at::Tensor> tensors = {
      {"bytes", at::arange(5, at::kByte)},
      {"empty", at::empty({0, 3}, at::kFloat)},
      {"half", at::arange(3, at::kHalf)},
      {"scalar", at::scalar_tensor(2.5, at::kDouble)},
      {"transposed", at::arange(6, at::kFloat).view({2, 3}).t()},
      {"wide \xc3\xa9 \"name\"", at::ones({2}, at::kBFloat16)}};
  write_safetensors(path, tensors, {{"format", "pt"}, {"who", "mop"}});
  const SafetensorsFile file = SafetensorsFile::open(path);
  EXPECT_EQ(file.metadata().at("who"), "mop");
  ASSERT_EQ(file.entries().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    EXPECT_TRUE(at::equal(file.tensor(name), tensor)) << name;
    EXPECT_EQ(file.tensor(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_EQ(file.entries().at(name).begin % dtype_bytes(tensor.scalar_type()), 0u) << name;
  }
}

TEST(Safetensors, TensorsAreViewsOfTheFile) {
  TempFolder folder;
  write_safetensors(folder.path() / "a", {{"w", at::ones({8})}});
  const SafetensorsFile file = SafetensorsFile::open(folder.path() / "a");
  EXPECT_EQ(file.tensor("w").const_data_ptr(), file.tensor("w").const_data_ptr());
  EXPECT_EQ(file.data(file.entries().at("w")).data(), file.tensor("w").const_data_ptr());
}

TEST(Safetensors, TheHeaderEndsAtAMultipleOf8) {
  TempFolder folder;
  for (const char* name : {"w", "ww", "www", "wwww", "wwwww"}) {
    write_safetensors(folder.path() / "a", {{name, at::ones({8})}});
    EXPECT_EQ(SafetensorsFile::open(folder.path() / "a").header().size() % 8, 0u);
  }
}

TEST(Safetensors, TheSameTensorsGiveTheSameBytes) {
  TempFolder folder;
  for (const char* name : {"a", "b"}) {
    write_safetensors(folder.path() / name,
                      {{"w", at::ones({8})}, {"v", at::zeros({3}, at::kHalf)}});
  }
  EXPECT_EQ(read_file(folder.path() / "a"), read_file(folder.path() / "b"));
}

TEST(Safetensors, TypesWeCannotComputeWithAreStillDescribed) {
  TempFolder folder;
  write_safetensors(folder.path() / "a", {{"f8", at::zeros({4}, at::kFloat8_e4m3fn)},
                                          {"mask", at::ones({4}, at::kBool)}});
  const SafetensorsFile file = SafetensorsFile::open(folder.path() / "a");
  EXPECT_EQ(file.entries().at("f8").dtype, at::kFloat8_e4m3fn);
  EXPECT_EQ(file.entries().at("mask").dtype, at::kBool);
}

TEST(Safetensors, AnUnknownTensorIsNamed) {
  TempFolder folder;
  write_safetensors(folder.path() / "a", {{"w", at::ones({8})}});
  try {
    SafetensorsFile::open(folder.path() / "a").tensor("v");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("there is no tensor 'v'"));
  }
}

TEST(SafetensorsWriter, StreamsTensorsInTheOrderOfTheSpecs) {
  TempFolder folder;
  const fs::path path = folder.path() / "a";
  const std::vector<TensorSpec> specs = {{"z", at::kFloat, {2}}, {"a", at::kHalf, {2, 2}}};
  SafetensorsWriter writer(path, specs);
  writer.write(at::ones({2}));
  writer.write(at::full({2, 2}, 3, at::kHalf));
  EXPECT_FALSE(fs::exists(path)) << "appears only when it is whole";
  writer.finish();
  const SafetensorsFile file = SafetensorsFile::open(path);
  EXPECT_LT(file.entries().at("z").begin, file.entries().at("a").begin);
  EXPECT_EQ(file.tensor("a").sum().item<float>(), 12);
  EXPECT_EQ(file.bytes(), SafetensorsWriter::file_bytes(specs));
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(SafetensorsWriter, LeavesNothingWhenItIsGivenUp) {
  TempFolder folder;
  write_file(folder.path() / "a", "what was there before");
  {
    SafetensorsWriter writer(folder.path() / "a", {{"w", at::kFloat, {2}}});
    EXPECT_THROW(writer.finish(), Error);
  }
  EXPECT_EQ(read_file(folder.path() / "a"), "what was there before");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(SafetensorsWriter, RefusesWhatWasNotAnnounced) {
  TempFolder folder;
  SafetensorsWriter writer(folder.path() / "a", {{"w", at::kFloat, {2}}});
  EXPECT_THROW(writer.write(at::ones({3})), Error);
  EXPECT_THROW(writer.write(at::ones({2}, at::kHalf)), Error);
  writer.write(at::ones({2}));
  EXPECT_THROW(writer.write(at::ones({2})), Error);
  EXPECT_THROW(
      SafetensorsWriter(folder.path() / "b", {{"w", at::kFloat, {2}}, {"w", at::kFloat, {2}}}),
      Error);
}

TEST(SafetensorsWriter, AnUnwritableFolderIsAnError) {
  try {
    write_safetensors("/proc/absent/a.safetensors", {{"w", at::ones({2})}});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kIo);
    EXPECT_THAT(e.what(), ::testing::AllOf(HasSubstr("cannot write"),
                                           HasSubstr("/proc/absent/a.safetensors")));
  }
}

/// While it lives, no file may grow beyond `bytes`.
struct FileLimit {
  explicit FileLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limit{bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() { ::setrlimit(RLIMIT_FSIZE, &before); }
  rlimit before;
};

// A limit on file sizes stands for a full disk: an error, the old file, nothing beside it.
TEST(SafetensorsWriter, AFullDiskLeavesWhatWasThere) {
  TempFolder folder;
  write_file(folder.path() / "a", "what was there before");
  std::string text;
  {
    const FileLimit limit(64 << 10);
    try {
      write_safetensors(folder.path() / "a", {{"w", at::ones({1 << 20})}});
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kIo);
      text = e.what();
    }
  }
  EXPECT_THAT(text, ::testing::AllOf(HasSubstr("cannot write: File too large"), HasSubstr("/a")));
  EXPECT_EQ(read_file(folder.path() / "a"), "what was there before");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

// The last thing that can fail, after all bytes were written.
TEST(SafetensorsWriter, ANameThatIsTakenByAFolderIsAnError) {
  TempFolder folder;
  fs::create_directory(folder.path() / "a");
  EXPECT_THROW(write_safetensors(folder.path() / "a", {{"w", at::ones({2})}}), Error);
  EXPECT_EQ(files_in(folder.path()), 1u);
}

// write(2) out of a shrunken mapping fails with EFAULT; the user must read about the file that
// shrank.
TEST(SafetensorsWriter, WritingFromAFileThatShrankNamesThatFile) {
  TempFolder folder;
  write_safetensors(folder.path() / "source", {{"w", at::ones({1 << 16})}});
  const SafetensorsFile source = SafetensorsFile::open(folder.path() / "source");
  ASSERT_EQ(::truncate((folder.path() / "source").c_str(), 4096), 0);
  try {
    write_safetensors(folder.path() / "copy", {{"w", source.tensor("w")}});
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), ::testing::AllOf(HasSubstr("shrank while it was mapped"),
                                           HasSubstr((folder.path() / "source").string())));
  }
  EXPECT_EQ(files_in(folder.path()), 1u);
}

}  // namespace
}  // namespace mop
