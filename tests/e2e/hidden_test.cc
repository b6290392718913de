// Hidden channels from the command line: what is written computes what the masked model does, runs
// replay, resume and repair, several processes take the same steps.
#include <ATen/ATen.h>

#include "e2e/ranks.h"
#include "export/hf_writer.h"
#include "model/weights.h"
#include "plan/plan.h"
#include "surgery/surgery.h"

namespace mop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// 4 of 192 channels are 2.1% of the model.
const Args kHidden = {"--set",    "branches=[hidden]",
                      "--select", "path:C",
                      "--remove", "0.2",
                      "--rounds", "1",
                      "--set",    "hidden.channel_multiple=4",
                      "--set",    "hidden.shape_multiple=1"};

Args with(Args args, const Args& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

// The dense model after the step's neurons went, with zeros where its channels are written.
Model masked(const PlanStep& step) {
  PlanStep widths = step;
  widths.channels.clear();
  const Model dense = Model::open(demo_model());
  const Model narrower = apply(widths, dense);
  std::vector<int64_t> gone(step.channels.begin(), step.channels.end());
  std::vector<Layer> layers = narrower.layers();
  for (int64_t i = 0; i < narrower.num_layers(); ++i) {
    for (const Role role : {Role::kOutput, Role::kDown}) {
      const LayerShape& shape = narrower.config().layers[static_cast<size_t>(i)];
      const LayerTensor& tensor = *tensor_of_role(narrower.config(), shape, role);
      layers[static_cast<size_t>(i)].changed[role] =
          stored_tensor(narrower, i, tensor).index_fill(0, at::tensor(gone), 0);
    }
  }
  const GlobalTensor& embedding = *global_tensors(narrower.config()).front();
  return narrower.with_layers(layers).with_global(
      GlobalRole::kEmbedding,
      stored_global(narrower, embedding).index_fill(1, at::tensor(gone), 0));
}

class HiddenRun : public ::testing::Test {
 protected:
  fs::path folder(const std::string& name) const { return temp_.path() / name; }
  Ran prune(const std::string& name, const Args& more = {}) {
    const Ran ran = run(prune_args(folder(name), with(kHidden, more)));
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return ran;
  }
  Json read(const std::string& file) const { return read_json(temp_.path() / file); }
  double perplexity(const fs::path& model) const {
    return run({"eval", model.string(), "--text", demo_evaluation().string(), "--protocol", "lines",
                "--limit", "40", "--json"})
        .json()["perplexity"]
        .get<double>();
  }
  TempFolder temp_;
};

TEST_F(HiddenRun, LeavesTheMaskedModelsPerplexity) {
  const Ran ran = prune("a");
  EXPECT_THAT(ran.err, AllOf(HasSubstr("step 1 of 1: hidden"), HasSubstr(", hidden 156,")));
  const Json config = read("a/config.json");
  EXPECT_EQ(config["hidden_size"], 156);
  EXPECT_EQ(config["head_dim"], 32);
  EXPECT_DOUBLE_EQ(config["rms_norm_eps"].get<double>(), 1e-5 * 192 / 156);
  const Json metrics = read("a/run/metrics.json");
  EXPECT_NEAR(metrics["removed_fraction"].get<double>(), 0.2, 0.002);
  EXPECT_EQ(run({"inspect", folder("a").string(), "--json"}).json()["parameters"],
            metrics["pruned"]["parameters"]);

  const Json dry =
      run(with(prune_args(folder("dry"), with(kHidden, {"--dry-run"})), {"--json"})).json();
  EXPECT_EQ(dry["after"]["parameters"], metrics["pruned"]["parameters"]);
  // Channels are counted once for the model, not in every layer.
  const Json scores = read("a/run/steps/01/metrics.json")["scores"];
  const auto of_channels =
      std::ranges::find_if(scores, [](const Json& one) { return one["unit"] == "hidden channel"; });
  ASSERT_NE(of_channels, scores.end());
  int64_t kept = 0, removed = 0;
  for (const Json& count : (*of_channels)["kept"]) kept += count.get<int64_t>();
  for (const Json& count : (*of_channels)["removed"]) removed += count.get<int64_t>();
  EXPECT_EQ(kept, 156);
  EXPECT_EQ(removed, 36);
  EXPECT_THAT(read_file(folder("a") / "run/report.html"),
              HasSubstr("layers all: 156 of 192 channels left"));

  const PrunePlan plan = plan_from_json(read("a/run/plan.json"), "plan.json");
  EXPECT_EQ(read("a/run/plan.json")["version"], 4);
  ASSERT_EQ(plan.steps.at(0).channels.size(), 36u);
  fs::create_directory(folder("masked"));
  write_hf(masked(plan.steps[0]), folder("masked"), {});
  const double dense = perplexity(demo_model());
  const double sliced = perplexity(folder("a")), expected = perplexity(folder("masked"));
  EXPECT_GT(expected, 1.05 * dense);
  // The scaled norms are rounded to bfloat16.
  EXPECT_NEAR(sliced / expected, 1, 2e-3);
}

TEST_F(HiddenRun, ReplaysAndResumesToTheSameBytes) {
  const Args steps = {"--set", "branches=[hidden, width]", "--select", "path:CGC", "--remove",
                      "0.2"};
  const auto prune_steps = [&](const std::string& name, const Args& more) {
    const Ran ran = run(prune_args(folder(name), with(steps, more)));
    EXPECT_EQ(ran.exit, 0) << ran.err;
  };
  prune_steps("a", {});
  const Ran replay = run({"prune", demo_model().string(), "--out", folder("b").string(), "--plan",
                          (folder("a") / "run" / "plan.json").string()});
  ASSERT_EQ(replay.exit, 0) << replay.err;
  for (const char* file : {"model.safetensors", "config.json", "run/plan.json"}) {
    EXPECT_EQ(read_file(folder("a") / file), read_file(folder("b") / file)) << file;
  }
  EXPECT_GT(read("a/run/plan.json")["steps"].size(), 2u);
  EXPECT_GE(read("a/run/metrics.json")["removed_fraction"].get<double>(), 0.19);
  const auto first = run_ranks(2, prune_args(folder("c"), steps));
  EXPECT_EQ(read("a/run/plan.json")["steps"], read("c/run/plan.json")["steps"]);
}

TEST_F(HiddenRun, IsRepairedAndTrained) {
  // Least squares wants more text than the other tests take.
  const Ran ran = run(
      with({"prune", demo_model().string(), "--out", folder("a").string(), "--calibration",
            demo_calibration().string(), "--samples", "64", "--repair", "least-squares", "--json"},
           kHidden));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json figures = ran.json()["figures"];
  const auto excess = [&](const char* model) {
    return std::log(figures[model]["perplexity"].get<double>() /
                    figures["dense"]["perplexity"].get<double>());
  };
  ASSERT_TRUE(figures.contains("repaired")) << ran.err;
  EXPECT_LT(excess("repaired"), 0.9 * excess("pruned"));
  const Ran replay = run({"prune", demo_model().string(), "--out", folder("b").string(), "--plan",
                          (folder("a") / "run" / "plan.json").string()});
  ASSERT_EQ(replay.exit, 0) << replay.err;
  EXPECT_EQ(read_file(folder("a") / "model.safetensors"),
            read_file(folder("b") / "model.safetensors"));
  for (const char* method : {"lora", "full"}) {
    const Ran trained =
        run({"recover", folder("a").string(), "--out", folder(method).string(), "--method", method,
             "--data", demo_calibration().string(), "--tokens", "2000", "--max-tokens", "64"});
    EXPECT_EQ(trained.exit, 0) << trained.err;
  }
}

TEST_F(HiddenRun, EveryCriterionRanksThem) {
  std::vector<std::string> plans;
  for (const char* criterion :
       {"minitron-hidden", "energy-hidden", "magnitude-hidden", "random-hidden"}) {
    prune(criterion, {"--set", std::string("hidden.criterion=") + criterion});
    plans.push_back(read_file(folder(criterion) / "run" / "plan.json"));
    for (size_t i = 0; i + 1 < plans.size(); ++i) EXPECT_NE(plans[i], plans.back()) << criterion;
  }
}

TEST_F(HiddenRun, IsPlannedWithoutWeights) {
  const Ran plan = run(with({"plan", demo_model().string()}, kHidden));
  ASSERT_EQ(plan.exit, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr("hidden 156"));
  EXPECT_THAT(plan.out, HasSubstr("20.04%"));
}

}  // namespace
}  // namespace mop::testing
