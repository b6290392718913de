// Broken folders: what is missing or contradicts itself is listed whole.
#include "checkpoint/checkpoint.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string error_of(const fs::path& folder) {
  try {
    Checkpoint::open(folder);
  } catch (const Error& e) {
    return e.what();
  }
  return "was read";
}

void write_index(const fs::path& folder, const Json& weight_map) {
  const Json index = {{"metadata", {{"total_size", 8}}}, {"weight_map", weight_map}};
  write_file(folder / "model.safetensors.index.json", to_text(index));
}

class BadCheckpoint : public ::testing::Test {
 protected:
  void SetUp() override { write_file(path() / "config.json", "{\"model_type\": \"llama\"}"); }
  void shard(const std::string& file, const std::vector<std::string>& names) {
    std::map<std::string, at::Tensor> tensors;
    for (const std::string& name : names) tensors[name] = at::ones({2});
    write_safetensors(path() / file, tensors);
  }
  const fs::path& path() const { return folder_.path(); }

 private:
  TempFolder folder_;
};

TEST_F(BadCheckpoint, NoSuchFolder) {
  EXPECT_THAT(error_of(path() / "absent"), AllOf(HasSubstr("no such folder"), HasSubstr("absent"),
                                                 HasSubstr("a hub id: org/name")));
}

TEST_F(BadCheckpoint, AFileInsteadOfAFolder) {
  EXPECT_THAT(error_of(path() / "config.json"), HasSubstr("this is a file"));
}

TEST_F(BadCheckpoint, GitLfsPointersAreSaidToBeThat) {
  constexpr auto kPointer =
      "version https://git-lfs.github.com/spec/v1\noid "
      "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f"
      "32b1258daaa5e2ca24d17e2393\nsize 13476\n";
  for (const char* name : {"model.safetensors", "config.json", "m.gguf"}) {
    SetUp();
    shard("model.safetensors", {"a"});
    write_file(path() / name, kPointer);
    const bool gguf = fs::path(name).extension() == ".gguf";
    EXPECT_THAT(
        error_of(gguf ? path() / name : path()),
        AllOf(HasSubstr("this is a Git LFS pointer"), HasSubstr(name), HasSubstr("git lfs pull")));
  }
}

TEST_F(BadCheckpoint, NoConfig) {
  fs::remove(path() / "config.json");
  EXPECT_THAT(error_of(path()), AllOf(HasSubstr("no config.json"), HasSubstr(path().string())));
}

TEST_F(BadCheckpoint, ConfigThatIsNotJson) {
  write_file(path() / "config.json", "{\"a\": ");
  EXPECT_THAT(error_of(path()), AllOf(HasSubstr("not valid JSON"), HasSubstr("config.json")));
}

TEST_F(BadCheckpoint, ConfigThatIsNotAnObject) {
  write_file(path() / "config.json", "[]");
  EXPECT_THAT(error_of(path()), HasSubstr("config.json must hold an object"));
}

TEST_F(BadCheckpoint, NoWeights) {
  EXPECT_THAT(error_of(path()),
              HasSubstr("neither model.safetensors nor model.safetensors.index.json"));
}

TEST_F(BadCheckpoint, OtherFilesThatHoldWeightsAreNamed) {
  shard("adapter_model.safetensors", {"a"});
  EXPECT_THAT(error_of(path()), HasSubstr("found:  adapter_model.safetensors"));
}

TEST_F(BadCheckpoint, PickledWeightsAloneGetAHintToConvert) {
  write_file(path() / "pytorch_model-00002-of-00002.bin", "x");
  write_file(path() / "pytorch_model-00001-of-00002.bin", "x");
  EXPECT_THAT(
      error_of(path()),
      AllOf(HasSubstr("pickled"), HasSubstr("convert them to safetensors"),
            HasSubstr("pytorch_model-00001-of-00002.bin, pytorch_model-00002-of-00002.bin")));
}

TEST_F(BadCheckpoint, EveryMissingShardIsListed) {
  shard("one.safetensors", {"a"});
  write_index(path(),
              {{"a", "one.safetensors"}, {"b", "two.safetensors"}, {"c", "three.safetensors"}});
  EXPECT_THAT(
      error_of(path()),
      HasSubstr(
          "2 of the shards that the index names are missing: three.safetensors, two.safetensors"));
}

TEST_F(BadCheckpoint, EveryDisagreementOfIndexAndShardsIsListed) {
  shard("one.safetensors", {"a", "x", "y", "twice"});
  shard("two.safetensors", {"twice"});
  write_index(path(), {{"a", "one.safetensors"},
                       {"b", "one.safetensors"},
                       {"c", "two.safetensors"},
                       {"twice", "two.safetensors"}});
  EXPECT_THAT(error_of(path()), AllOf(HasSubstr("the index and the shards disagree"),
                                      HasSubstr("b (one.safetensors), c (two.safetensors)"),
                                      HasSubstr("x (one.safetensors), y (one.safetensors)"),
                                      HasSubstr("twice (one.safetensors, two.safetensors)")));
}

TEST_F(BadCheckpoint, IndexWithoutWeightMap) {
  for (const char* text : {"{}", "[]", R"({"weight_map": 3})"}) {
    write_file(path() / "model.safetensors.index.json", text);
    EXPECT_THAT(error_of(path()), HasSubstr("the index must hold an object 'weight_map'")) << text;
  }
}

TEST_F(BadCheckpoint, IndexThatLeavesTheFolderOrNamesNoFile) {
  write_index(path(), {{"a", "../other/model.safetensors"}});
  EXPECT_THAT(error_of(path()), HasSubstr("weight_map['a'] must be a file of this folder"));
  write_index(path(), {{"a", 3}});
  EXPECT_THAT(error_of(path()), HasSubstr("weight_map['a'] must be a file name, got 3"));
}

TEST_F(BadCheckpoint, ABrokenShardIsNamed) {
  shard("one.safetensors", {"a"});
  write_file(path() / "two.safetensors", "short");
  write_index(path(), {{"a", "one.safetensors"}, {"b", "two.safetensors"}});
  EXPECT_THAT(error_of(path()), HasSubstr((path() / "two.safetensors").string()));
}

}  // namespace
}  // namespace mop
