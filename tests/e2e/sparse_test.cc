// tests/e2e/sparse_test.cc -- single weights that become zero, from the command line to the file.
#include "checkpoint/checkpoint.h"
#include "e2e/program.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class SparseRun : public ::testing::Test {
 protected:
  Ran sparse(const std::string& name, const Args& more) {
    Args args = prune_args(folder(name), {"--json"});
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  }
  // With enough text for second moments.
  double perplexity(Args more) {
    more.insert(more.end(), {"--samples", "32", "--max-tokens", "64"});
    const Ran ran = sparse(std::to_string(runs_++), more);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return ran.exit == 0 ? ran.json()["figures"]["sparse"]["perplexity"].get<double>() : INFINITY;
  }
  fs::path folder(const std::string& name) const { return temp_.path() / name; }
  TempFolder temp_;
  int runs_ = 0;
};

TEST_F(SparseRun, MethodsStandInTheirOrder) {
  const double sparsegpt = perplexity({"--sparsity", "0.5"});
  const double wanda = perplexity({"--weights", "wanda"});
  const double magnitude = perplexity({"--weights", "magnitude"});
  EXPECT_LT(sparsegpt, wanda);
  EXPECT_LT(wanda, magnitude);
  for (const std::string seed : {"1", "2", "3"}) {
    EXPECT_LT(magnitude, perplexity({"--weights", "random", "--seed", seed}));
  }
}

TEST_F(SparseRun, ZerosAreInTheFileAndThePlanGivesItAgain) {
  const Ran ran = sparse("a", {"--pattern", "2:4"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json weights = ran.json()["weights"];
  EXPECT_EQ(weights["zero_fraction"], 0.5);
  EXPECT_EQ(ran.json()["removed_fraction"], 0.0);
  const auto checkpoint = Checkpoint::open(folder("a"));
  const at::Tensor up = checkpoint->tensor("model.layers.3.mlp.up_proj.weight");
  EXPECT_EQ(
      up.scalar_type(),
      Checkpoint::open(demo_model())->tensor("model.layers.3.mlp.up_proj.weight").scalar_type());
  EXPECT_TRUE(((up.view({-1, 4}) != 0).sum(1) == 2).all().item<bool>());
  const Ran again = run({"prune", demo_model().string(), "--out", folder("b").string(), "--plan",
                         (folder("a") / "run/plan.json").string()});
  ASSERT_EQ(again.exit, 0) << again.err;
  EXPECT_EQ(read_file(folder("a") / "model.safetensors"),
            read_file(folder("b") / "model.safetensors"));
  const Ran recipe = run({"prune", "--recipe", (folder("a") / "run/recipe.yaml").string(), "--out",
                          folder("c").string()});
  ASSERT_EQ(recipe.exit, 0) << recipe.err;
  EXPECT_THAT(differing(folder("a"), folder("c")), IsEmpty());
}

TEST_F(SparseRun, FollowsPruningAndItsRepair) {
  const Ran ran = sparse(
      "a", {"--remove", "0.2", "--of", "blocks", "--weights", "wanda", "--shape-multiple", "32"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_GT(ran.json()["block_removed_fraction"], 0.19);
  EXPECT_EQ(ran.json()["weights"]["zero_fraction"], 0.5);
  EXPECT_TRUE(ran.json()["figures"].contains("sparse"));
}

TEST_F(SparseRun, ItsRecipeMakesItAgain) {
  ASSERT_EQ(sparse("a", {"--weights", "magnitude", "--sparsity", "0.25"}).exit, 0);
  const Ran again = run({"prune", "--recipe", (folder("a") / "run/recipe.yaml").string(), "--out",
                         folder("b").string()});
  ASSERT_EQ(again.exit, 0) << again.err;
  EXPECT_EQ(read_file(folder("a") / "model.safetensors"),
            read_file(folder("b") / "model.safetensors"));
  const Ran grouped = run({"prune", "--recipe", (folder("a") / "run/recipe.yaml").string(),
                           "--pattern", "2:4", "--dry-run", "--out", folder("c").string()});
  EXPECT_EQ(grouped.exit, 0) << grouped.err;
  EXPECT_THAT(grouped.err, Not(HasSubstr("multiples of 32")));
}

TEST_F(SparseRun, RefusesWhatCannotBe) {
  for (const Args& more : {Args{"--select", "path:LG"}, Args{"--criterion", "flap"}}) {
    Args args = {"--weights", "wanda"};
    args.insert(args.end(), more.begin(), more.end());
    EXPECT_THAT(sparse("a", args).err, HasSubstr("no target"));
  }
  EXPECT_THAT(sparse("a", {"--weights", "wanda", "--pattern", "5:10"}).err,
              HasSubstr("weights.pattern 5:10 needs inputs in multiples of 10"));

  EXPECT_THAT(sparse("a", {"--sparsity", "1.5"}).err, HasSubstr("1.5 is not a fraction below 1"));
  EXPECT_THAT(sparse("a", {"--weights", "owl"}).err, HasSubstr("known: sparsegpt, wanda"));
  EXPECT_THAT(sparse("a", {"--pattern", "4:2"}).err, HasSubstr("as in 2:4"));
  EXPECT_THAT(sparse("a", {"--sparsity", "0.5", "--set", "recovery.method=lora", "--set",
                           "recovery.data.file=x.txt"})
                  .err,
              HasSubstr("would not be kept"));
  EXPECT_THAT(sparse("a", {"--weights", "wanda", "--set", "weights.block=64"}).err,
              HasSubstr("block"));
}

}  // namespace
}  // namespace mop::testing
