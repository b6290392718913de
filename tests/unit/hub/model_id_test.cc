#include "hub/model_id.h"

#include <gmock/gmock.h>

namespace mop {
namespace {

TEST(ModelId, IsOrganisationAndNameWithARevisionOrMain) {
  EXPECT_EQ(parse_model_id("org/Name-1.1B_x")->repo, "org/Name-1.1B_x");
  EXPECT_EQ(parse_model_id("org/name")->revision, "main");
  EXPECT_EQ(parse_model_id("org/name@refs/pr/3")->revision, "refs/pr/3");
  EXPECT_EQ(parse_model_id("org/name@v1.0")->text(), "org/name@v1.0");
  EXPECT_EQ(parse_model_id("org/name")->text(), "org/name");
}

TEST(ModelId, IsNotWhatCanOnlyBeAPath) {
  for (const char* path :
       {"", "name", "/org/name", "./org/name", "../name", "~/name", "org/name/", "a/b/c",
        "org//name", "org/na me", "a--b/c", "org/..", "org/name@", "org/name@../../x",
        "org/name@/x", "org/name@a..b", "-org/name", "org/.name"}) {
    EXPECT_FALSE(parse_model_id(path)) << path;
  }
}

TEST(ModelId, IsReadBackFromASnapshotsFolder) {
  const std::string commit(40, 'a');
  const auto id = id_of_snapshot("/cache/models--org--na--me/snapshots/" + commit + "/");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->text(), "org/na--me@" + commit);
  EXPECT_FALSE(id_of_snapshot("/models/llama"));
  EXPECT_FALSE(id_of_snapshot("/cache/models--org--name/snapshots/main"));
}

TEST(ModelId, KnowsACommitFromABranch) {
  EXPECT_TRUE(is_commit("0123456789abcdef0123456789abcdef01234567"));
  EXPECT_FALSE(is_commit("0123456789ABCDEF0123456789abcdef01234567"));
  EXPECT_FALSE(is_commit("main"));
}

}  // namespace
}  // namespace mop
