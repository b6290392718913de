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

void write_sharded(const fs::path& folder) {
  fs::create_directories(folder);
  write_file(folder / "config.json", R"({"model_type":"llama","strange":{"kept":[1,2]}})");
  write_safetensors(folder / "m1.safetensors", {{"a", at::ones({4})}, {"b", at::full({2}, 2.0f)}});
  write_safetensors(folder / "m2.safetensors", {{"c", at::full({3}, 3, at::kHalf)}});
  write_file(folder / "model.safetensors.index.json",
             R"({"weight_map":{"a":"m1.safetensors","b":"m1.safetensors","c":"m2.safetensors"}})");
}

TEST(Checkpoint, OpensOneFileOrShards) {
  TempFolder folder;
  write_sharded(folder.path());
  const auto shards = Checkpoint::open(folder.path());
  EXPECT_EQ(shards->names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(shards->tensor("c").sum().item<float>(), 9);
  EXPECT_EQ(shards->entry("c").dtype, at::kHalf);
  EXPECT_EQ(shards->bytes(), 16 + 8 + 6);
  EXPECT_EQ(shards->config()["strange"]["kept"][1], 2);

  const auto demo = Checkpoint::open(testing::demo_model());
  EXPECT_TRUE(demo->has("model.norm.weight"));
  EXPECT_EQ(demo->tensor("model.embed_tokens.weight").sizes(), at::IntArrayRef({2048, 192}));
}

// As in transformers: a single file wins over an index that was left beside it.
TEST(Checkpoint, ASingleFileWinsOverAnIndex) {
  TempFolder folder;
  write_sharded(folder.path());
  write_safetensors(folder.path() / "model.safetensors", {{"only", at::ones({1})}});
  EXPECT_EQ(Checkpoint::open(folder.path())->names(), std::vector<std::string>{"only"});
}

// As the hub's cache lies on the disk.
TEST(Checkpoint, ReadsThroughTheLinksOfASnapshot) {
  TempFolder folder;
  write_sharded(folder.path() / "blobs");
  const fs::path snapshot = folder.path() / "snapshots" / "f00d";
  fs::create_directories(snapshot);
  for (const auto& item : fs::directory_iterator(folder.path() / "blobs")) {
    fs::create_symlink(item.path(), snapshot / item.path().filename());
  }
  EXPECT_EQ(Checkpoint::open(snapshot)->names().size(), 3u);
}

// What the config says is copied into every result.
TEST(Checkpoint, AConfigThatIsALinkOutOfTheFolderIsRefused) {
  TempFolder folder;
  write_sharded(folder.path() / "other");
  write_sharded(folder.path() / "model");
  fs::remove(folder.path() / "model/config.json");
  fs::create_symlink("../other/config.json", folder.path() / "model/config.json");
  EXPECT_THROW(
      {
        try {
          Checkpoint::open(folder.path() / "model");
        } catch (const Error& e) {
          EXPECT_THAT(e.what(), ::testing::HasSubstr("a link leads out of the model's folder"));
          throw;
        }
      },
      Error);
}

TEST(Checkpoint, AnUnknownTensorIsNamed) {
  TempFolder folder;
  write_sharded(folder.path());
  try {
    Checkpoint::open(folder.path())->tensor("d");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("there is no tensor 'd'"));
  }
}

TEST(CheckpointFingerprint, FollowsTheContentAndNotThePlace) {
  TempFolder folder;
  write_sharded(folder.path() / "one");
  write_sharded(folder.path() / "two");
  const std::string one = Checkpoint::open(folder.path() / "one")->fingerprint();
  EXPECT_EQ(one.size(), 64u);
  EXPECT_EQ(one, Checkpoint::open(folder.path() / "two")->fingerprint());

  write_file(folder.path() / "two/config.json", R"({"model_type":"llama"})");
  EXPECT_NE(one, Checkpoint::open(folder.path() / "two")->fingerprint()) << "another config";
  write_sharded(folder.path() / "two");
  write_safetensors(folder.path() / "two/m2.safetensors",
                    {{"c", at::tensor({3., 3., 4.}).to(at::kHalf)}});
  EXPECT_NE(one, Checkpoint::open(folder.path() / "two")->fingerprint()) << "another value";
}

TEST(CheckpointFingerprint, SeesBothEndsOfALargeTensor) {
  TempFolder folder;
  std::set<std::string> seen;
  for (const int64_t place : {-1, 0, 5000, 99999}) {
    at::Tensor weight = at::zeros({100000});
    if (place >= 0) weight[place] = 1;
    write_file(folder.path() / "config.json", "{}");
    write_safetensors(folder.path() / "model.safetensors", {{"w", weight}});
    seen.insert(Checkpoint::open(folder.path())->fingerprint());
  }
  EXPECT_EQ(seen.size(), 3u) << "first and last 4 KiB count, place 5000 does not";
}

}  // namespace
}  // namespace mop
