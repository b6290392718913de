// tests/e2e/per_layer_test.cc -- a model whose layers differ goes through every verb.
#include <gtest/gtest.h>

#include "checkpoint/safetensors.h"
#include "e2e/program.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

class PerLayer : public ::testing::Test {
 protected:
  // Two width steps of the embedded model, units taken where the whole model's scores are lowest.
  static void SetUpTestSuite() {
    folder_ = new TempFolder;
    pruned_ = new Ran(run(prune_args(
        model(), {"--iterations", "2", "--select", "path:G", "--allocation", "global", "--json"})));
  }
  static void TearDownTestSuite() {
    delete folder_;
    delete pruned_;
  }
  static fs::path model() { return folder_->path() / "pruned"; }
  static Ran with_model(const std::string& verb, const Args& more) {
    Args args = {verb, model().string()};
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  }
  static TempFolder* folder_;
  static Ran* pruned_;
};
TempFolder* PerLayer::folder_ = nullptr;
Ran* PerLayer::pruned_ = nullptr;

TEST_F(PerLayer, PruningSaysHowTheResultIsReadAndCountsItExactly) {
  ASSERT_EQ(pruned_->exit, 0) << pruned_->err;
  EXPECT_THAT(pruned_->err, HasSubstr("the layers differ in size: written with modelling code"));
  const Json about = with_model("inspect", {"--json"}).json();
  EXPECT_EQ(about["parameters"], pruned_->json()["pruned"]["parameters"]);
  std::set<int64_t> widths;
  for (const Json& layer : about["layers"]) widths.insert(layer["mlp"].get<int64_t>());
  EXPECT_GT(widths.size(), 3u) << about["shape"];
  // As much as two uniform steps remove, to the neuron.
  const Json plan =
      run({"plan", demo_model().string(), "--iterations", "2", "--select", "path:G", "--json"})
          .json();
  EXPECT_NEAR(about["parameters"].get<double>(), plan["steps"][1]["parameters"].get<double>(),
              12 * 3 * 192);
}

TEST_F(PerLayer, PlanKnowsItsSizes) {
  const Ran plan = with_model("plan", {"--iterations", "2", "--select", "path:LG", "--json"});
  ASSERT_EQ(plan.exit, 0) << plan.err;
  EXPECT_EQ(plan.json()["dense"]["layers"], with_model("inspect", {"--json"}).json()["layers"]);
}

TEST_F(PerLayer, ScoresHaveEachLayersUnits) {
  const fs::path out = folder_->path() / "scores.safetensors";
  const Ran scored =
      with_model("score", {"--criterion", "amp-heads,amp-neurons", "--samples", "4",
                           "--calibration", demo_calibration().string(), "--out", out.string()});
  ASSERT_EQ(scored.exit, 0) << scored.err;
  const auto file = SafetensorsFile::open(out);
  const Json layers = with_model("inspect", {"--json"}).json()["layers"];
  for (size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(file.tensor(fmt::format("amp-neurons.{}", i)).numel(),
              layers[i]["mlp"].get<int64_t>());
    EXPECT_EQ(file.tensor(fmt::format("amp-heads.{}", i)).numel(),
              layers[i]["kv_heads"].get<int64_t>());
  }
}

TEST_F(PerLayer, EvaluatesGeneratesAndTokenizes) {
  const Ran perplexity = with_model("eval", {"--text", demo_evaluation().string(), "--protocol",
                                             "lines", "--limit", "20", "--json"});
  ASSERT_EQ(perplexity.exit, 0) << perplexity.err;
  EXPECT_LT(perplexity.json()["perplexity"].get<double>(), 100);
  const Ran text =
      with_model("generate", {"--prompt", "once upon a time", "--max-new-tokens", "8", "--json"});
  ASSERT_EQ(text.exit, 0) << text.err;
  EXPECT_GT(text.json()["new_tokens"].get<int64_t>(), 0);
  EXPECT_EQ(with_model("tokenize", {"--text", demo_evaluation().string()}).out,
            run({"tokenize", demo_model().string(), "--text", demo_evaluation().string()}).out);
}

TEST_F(PerLayer, IsPrunedAgainInBothBranchesAndReplayed) {
  const fs::path again = folder_->path() / "again", replayed = folder_->path() / "replayed";
  const Args more = {"--calibration", demo_calibration().string(),
                     "--samples",     "8",
                     "--max-tokens",  "32",
                     "--iterations",  "3",
                     "--select",      "path:GLG",
                     "--out",         again.string()};
  const Ran pruned = with_model("prune", more);
  ASSERT_EQ(pruned.exit, 0) << pruned.err;
  const Ran replay = with_model(
      "prune", {"--plan", (again / "run/plan.json").string(), "--out", replayed.string()});
  ASSERT_EQ(replay.exit, 0) << replay.err;
  EXPECT_EQ(read_file(again / "model.safetensors"), read_file(replayed / "model.safetensors"));
  EXPECT_EQ(read_file(again / "config.json"), read_file(replayed / "config.json"));
}

TEST_F(PerLayer, AReaderIsWarnedOfBeforeTheWork) {
  const Ran dry =
      run(prune_args(folder_->path() / "never", {"--iterations", "1", "--select", "path:G",
                                                 "--allocation", "global", "--dry-run"}));
  EXPECT_EQ(dry.exit, 0);
  EXPECT_THAT(dry.err, HasSubstr("trust_remote_code=True"));
  EXPECT_THAT(dry.err, HasSubstr("vLLM's own classes have one size for all layers"));
}

TEST_F(PerLayer, AWidthThatOnlyMeasurementsTellIsWarnedOf) {
  const Args searched = {"--iterations", "2", "--select", "perplexity", "--dry-run"};
  EXPECT_THAT(run(prune_args(folder_->path() / "never", searched)).err,
              HasSubstr("MLP widths will rarely be multiples of 32"));
  Args even = searched;
  even.insert(even.end(), {"--shape-multiple", "32"});
  EXPECT_THAT(run(prune_args(folder_->path() / "never", even)).err,
              ::testing::Not(HasSubstr("MLP widths will rarely")));
}

// Halves go in the loop, and the result is read, scored, pruned on and replayed as any other.
TEST(HalfLayers, GoThroughEveryVerb) {
  const TempFolder folder;
  const fs::path out = folder.path() / "pruned", replayed = folder.path() / "replayed";
  const Args branches = {"--set", "branches=[attention, mlp, width]", "--select", "path:AMG"};
  Args args = prune_args(out, {"--iterations", "3", "--json"});
  args.insert(args.end(), branches.begin(), branches.end());
  const Ran pruned = run(args);
  ASSERT_EQ(pruned.exit, 0) << pruned.err;
  EXPECT_EQ(read_json(out / "run/plan.json")["version"], 3);
  const Json about = run({"inspect", out.string(), "--json"}).json();
  EXPECT_EQ(about["parameters"], pruned.json()["pruned"]["parameters"]);
  int without_attention = 0, without_mlp = 0;
  for (const Json& layer : about["layers"]) {
    without_attention += layer["heads"] == 0;
    without_mlp += layer["mlp"] == 0;
  }
  // A layer's worth each: 3.7 attention halves, 1.4 MLPs; where both go the layer does.
  EXPECT_GE(without_attention + (12 - std::ssize(about["layers"])), 3);
  EXPECT_GE(without_mlp + (12 - std::ssize(about["layers"])), 1);
  const Ran text = run({"generate", out.string(), "--prompt", "once upon a time",
                        "--max-new-tokens", "8", "--json"});
  ASSERT_EQ(text.exit, 0) << text.err;
  const Ran judged = run({"eval", out.string(), "--text", demo_evaluation().string(), "--protocol",
                          "lines", "--limit", "20", "--json"});
  ASSERT_EQ(judged.exit, 0) << judged.err;
  EXPECT_LT(judged.json()["perplexity"].get<double>(), 300);
  const Ran replay = run({"prune", demo_model().string(), "--plan",
                          (out / "run/plan.json").string(), "--out", replayed.string()});
  ASSERT_EQ(replay.exit, 0) << replay.err;
  EXPECT_EQ(read_file(out / "model.safetensors"), read_file(replayed / "model.safetensors"));
}

// A target in time: the run measures once, and one that goes on takes the table that is there.
TEST(HalfLayers, ATargetOfLatencyIsMetByTheRunsOwnTable) {
  const TempFolder folder;
  const fs::path out = folder.path() / "pruned";
  const fs::path table = folder.path() / "pruned.partial/run/latency.json";
  Args args = prune_args(
      out, {"--remove", "0.3", "--of", "blocks", "--target", "latency", "--rounds", "1", "--json"});
  Process process(args);
  while (process.running() && !fs::exists(table))
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  process.send(SIGKILL);
  process.wait();
  ASSERT_TRUE(fs::exists(table));
  const Json measured = read_json(table);
  EXPECT_EQ(measured["samples"].size(), 10u);
  EXPECT_GT(measured["outside"].get<double>(), 0);
  Json known = measured;
  known.update({{"outside", 1e-4},
                {"attention", 1e-5},
                {"kv_group", 3e-5},
                {"mlp", 1e-5},
                {"neuron", 1e-7}});
  write_file(table, known.dump());
  args.push_back("--resume");
  const Ran pruned = run(args);
  ASSERT_EQ(pruned.exit, 0) << pruned.err;
  // 100 us outside, in each of 12 layers 10 + 3 * 30 and 10 + 512 * 0.1.
  EXPECT_THAT(pruned.err, HasSubstr("a token takes 2.034 ms"));
  const Json target = pruned.json()["target"];
  EXPECT_EQ(target["currency"], "latency");
  EXPECT_EQ(target["dense"], 1934400) << "of the layers";
  EXPECT_NEAR(target["removed_fraction"].get<double>(), 0.3, 0.001);
  int64_t left = 0;
  const Json about = run({"inspect", out.string(), "--json"}).json();
  for (const Json& layer : about["layers"]) {
    const int64_t groups = layer["kv_heads"], neurons = layer["mlp"];
    left += (groups > 0 ? 10000 + 30000 * groups : 0) + (neurons > 0 ? 10000 + 100 * neurons : 0);
  }
  EXPECT_EQ(target["pruned"], left);
  EXPECT_EQ(read_json(out / "run/latency.json")["kv_group"], 3e-5);
  const std::string page = read_file(out / "run/report.html");
  EXPECT_THAT(page, HasSubstr("Time by KV groups"));
  EXPECT_THAT(page, HasSubstr("Time by neurons"));
}

TEST(HalfLayers, AReaderThatCannotHaveThemIsNamedBeforeTheWork) {
  const TempFolder folder;
  const Args args = {"--remove", "0.3", "--dry-run"};
  EXPECT_THAT(run(prune_args(folder.path() / "never", args)).err,
              ::testing::Not(HasSubstr("vLLM does not load a layer without attention")));
  Args halves = args;
  halves.insert(halves.end(), {"--set", "damage.halves=true"});
  EXPECT_THAT(run(prune_args(folder.path() / "never", halves)).err,
              HasSubstr("vLLM does not load a layer without attention"));
}

TEST(HalfLayers, ATargetOfKvCacheTakesGroupsAlone) {
  const TempFolder folder;
  const fs::path out = folder.path() / "pruned";
  const Ran pruned =
      run(prune_args(out, {"--remove", "0.25", "--target", "kv-cache", "--rounds", "1", "--json"}));
  ASSERT_EQ(pruned.exit, 0) << pruned.err;
  const Json about = run({"inspect", out.string(), "--json"}).json();
  int64_t groups = 0;
  for (const Json& layer : about["layers"]) {
    groups += layer["kv_heads"].get<int64_t>();
    EXPECT_EQ(layer["mlp"], 512);
  }
  EXPECT_EQ(groups, 27) << "of 36";
}

// What --shape-multiple promises on the way to a target: multiples, and the target met.
TEST(ShapeMultiple, WidthsAreMultiplesAndTheTargetIsMet) {
  const TempFolder folder;
  const fs::path out = folder.path() / "pruned";
  for (const char* allocation : {"uniform", "global"}) {
    const Ran pruned = run(prune_args(
        out, {"--remove", "0.3", "--of", "blocks", "--select", "path:G", "--shape-multiple", "32",
              "--allocation", allocation, "--force", "--json"}));
    ASSERT_EQ(pruned.exit, 0) << pruned.err;
    // Half a pack of 32 neurons of each layer at the most.
    EXPECT_NEAR(pruned.json()["block_removed_fraction"].get<double>(), 0.3, 16. / 512);
    const Json about = run({"inspect", out.string(), "--json"}).json();
    for (const Json& layer : about["layers"]) {
      EXPECT_EQ(layer["mlp"].get<int64_t>() % 32, 0);
      EXPECT_EQ(layer["heads"].get<int64_t>() * layer["head_dim"].get<int64_t>() % 32, 0);
    }
  }
}

}  // namespace
}  // namespace mop::testing
