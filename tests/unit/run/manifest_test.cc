#include "run/manifest.h"

#include <gmock/gmock.h>

#include "kit/ranks.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Json kManifest = {{"program", "mop"},
                        {"commit", "abc"},
                        {"model", {{"fingerprint", "f1"}}},
                        {"compute", {{"device", "cpu"}, {"threads", 2}}},
                        {"recipe", {{"model", "a"}, {"select", "random"}, {"protect", {0, 1}}}}};

TEST(Manifests, AreEqualToThemselves) {
  EXPECT_THAT(compare_manifests(kManifest, kManifest).refused, IsEmpty());
  EXPECT_THAT(compare_manifests(kManifest, kManifest).noted, IsEmpty());
}

TEST(Manifests, NameEverythingThatDiffers) {
  Json now = kManifest;
  now["model"]["fingerprint"] = "f2";
  now["recipe"]["select"] = "kl";
  now["recipe"]["protect"] = {0};
  EXPECT_THAT(
      compare_manifests(kManifest, now).refused,
      ElementsAre("model.fingerprint: was f1, now f2", "recipe.protect.1: was 1, now absent",
                  "recipe.select: was random, now kl"));
}

TEST(Manifests, KnowAModelByItsContentNotItsPath) {
  Json now = kManifest;
  now["recipe"]["model"] = "elsewhere";
  EXPECT_THAT(compare_manifests(kManifest, now).refused, IsEmpty());
}

TEST(Manifests, NoteAnotherBuildOrThreadCount) {
  Json now = kManifest;
  now["commit"] = "def";
  now["compute"]["threads"] = 4;
  const ManifestDifferences differences = compare_manifests(kManifest, now);
  EXPECT_THAT(differences.refused, IsEmpty());
  EXPECT_THAT(differences.noted,
              ElementsAre("commit: was abc, now def", "compute.threads: was 2, now 4"));
}

// Every rank is told the same, whichever of them differs.
TEST(RankInputs, ThatDifferAreRefusedByEveryRank) {
  const auto errors = testing::as_ranks(3, [](const std::shared_ptr<Collectives>& ranks) {
    Json own = kManifest;
    if (ranks->rank() == 2) own["model"]["fingerprint"] = "f2";
    check_same_inputs(own, *ranks, silent_progress());
  });
  for (const std::string& error : errors) {
    EXPECT_EQ(error,
              "the ranks of this job have different inputs:\n"
              "      model.fingerprint: f1 on rank 0, f2 on rank 2\n"
              "  hint: give every rank the same files and flags");
  }
}

TEST(RankInputs, MayLieElsewhereOnOtherDevicesAndBeReadByOtherThreads) {
  struct Warnings : Progress {
    std::vector<std::string> lines;
    void warn(std::string_view text) override { lines.emplace_back(text); }
  };
  std::vector<Warnings> told(2);
  const auto errors = testing::as_ranks(2, [&](const std::shared_ptr<Collectives>& ranks) {
    Json own = kManifest;
    own["compute"]["device"] = own["recipe"]["compute"]["device"] =
        "cuda:" + std::to_string(ranks->rank());
    own["recipe"]["model"] = "/home/of/" + std::to_string(ranks->rank());
    if (ranks->rank() == 1) own["compute"]["threads"] = 4;
    check_same_inputs(own, *ranks, told[static_cast<size_t>(ranks->rank())]);
  });
  EXPECT_THAT(errors, ElementsAre("", ""));
  EXPECT_THAT(told[0].lines,
              ElementsAre("rounding of the result may depend on the rank: compute.threads: 2 "
                          "on rank 0, 4 on rank 1"));
}

TEST(Manifests, NoteAnotherMemoryOfATraining) {
  Json earlier = kManifest, now = kManifest;
  earlier["recipe"]["memory"]["piece_tokens"] = 2048;
  now["recipe"]["memory"]["piece_tokens"] = 512;
  now["recipe"]["recovery"]["memory"]["activation_gib"] = 1;
  const ManifestDifferences differences = compare_manifests(earlier, now);
  EXPECT_THAT(differences.refused, IsEmpty());
  EXPECT_THAT(differences.noted,
              ElementsAre("recipe.memory.piece_tokens: was 2048, now 512",
                          "recipe.recovery.memory.activation_gib: was absent, now 1"));
}

}  // namespace
}  // namespace mop
