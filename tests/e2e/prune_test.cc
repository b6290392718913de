// The main job from the command line: the same run gives the same bytes, however it is told to do
// it.
#include "e2e/prune_run.h"

namespace mop::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

TEST_F(PruneRun, LeavesACheckpointAndARunFolder) {
  const Ran ran = prune("a", {"--iterations", "2", "--select", "path:LG", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.json()["out"], fs::canonical(folder("a")).string());
  std::vector<std::string> names;
  for (const auto& [name, bytes] : tree(folder("a"))) names.push_back(name);
  EXPECT_THAT(names,
              IsSupersetOf({"README.md", "config.json", "model.safetensors", "tokenizer.model",
                            "run/manifest.json", "run/metrics.json", "run/plan.json",
                            "run/recipe.yaml", "run/samples.json", "run/steps/01/metrics.json",
                            "run/steps/01/plan.json", "run/steps/02/metrics.json",
                            "run/steps/02/plan.json", "run/steps/02/stats.safetensors"}));
  EXPECT_THAT(names, Not(Contains("run/steps/01/stats.safetensors"))) << "depth measures nothing";
  EXPECT_TRUE(fs::exists(folder("a") / "run" / "run.log"));
  EXPECT_FALSE(fs::exists(folder("a.partial")));

  const Json metrics = read("a/run/metrics.json");
  EXPECT_EQ(read("a/config.json")["num_hidden_layers"], 11);
  EXPECT_EQ(run({"inspect", folder("a").string(), "--json"}).json()["parameters"],
            metrics["pruned"]["parameters"]);
  EXPECT_GT(metrics["figures"]["pruned"]["perplexity"].get<double>(),
            metrics["figures"]["dense"]["perplexity"].get<double>());
  EXPECT_THAT(ran.err, HasSubstr("needs: about"));
  EXPECT_THAT(ran.err, HasSubstr("step 2 of 2: width"));
}

TEST_F(PruneRun, WithoutAFileItCalibratesOnTheBuiltInText) {
  const Args args = {"prune",     demo_model(), "--iterations", "1",  "--select", "path:G",
                     "--samples", "8",          "--max-tokens", "48", "--out"};
  const auto to = [&](const char* name, Args more) {
    Args all = args;
    all.push_back(folder(name).string());
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  };
  const Ran ran = to("a", {});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err,
              HasSubstr("text, built-in (text of the model's own use, --calibration FILE"));
  EXPECT_THAT(read_file(folder("a") / "run/recipe.yaml"), HasSubstr("file: built-in"));
  ASSERT_EQ(to("b", {"--calibration", "built-in"}).exit, 0);
  EXPECT_THAT(differing(folder("a"), folder("b")), IsEmpty());
  // The whole default has text enough: 128 samples, and others to judge on.
  ASSERT_EQ(to("c", {"--samples", "128"}).exit, 0);
  const Json samples = read("c/run/samples.json");
  EXPECT_EQ(samples["calibration"]["samples"], 128);
  EXPECT_EQ(samples["validation"]["samples"], 16);
  EXPECT_NE(samples["calibration"]["list"][127]["index"],
            samples["validation"]["list"][15]["index"]);
}

TEST_F(PruneRun, TwoRunsGiveTheSameBytesButForTheLog) {
  const Args args = {"--iterations", "3", "--seed", "5"};
  ASSERT_EQ(prune("a", args).exit, 0);
  ASSERT_EQ(prune("b", args).exit, 0);
  EXPECT_THAT(differing(folder("a"), folder("b")), IsEmpty());
}

TEST_F(PruneRun, NoDateHostOrOutputPathInWhatIsReproducible) {
  ASSERT_EQ(prune("a", {"--iterations", "1", "--select", "path:G"}).exit, 0);
  char host[256] = "";
  ::gethostname(host, sizeof host);
  for (const auto& [name, bytes] : tree(folder("a"))) {
    if (name.ends_with(".safetensors") || name.ends_with("tokenizer.model")) continue;
    EXPECT_THAT(bytes, Not(HasSubstr(temp_.path().string()))) << name;
    EXPECT_THAT(bytes, Not(::testing::ContainsRegex("20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T")))
        << name;
    if (std::string_view(host).size() > 4) {
      EXPECT_THAT(bytes, Not(HasSubstr(host))) << name;
    }
  }
}

TEST_F(PruneRun, APlanReplaysToTheSameCheckpoint) {
  ASSERT_EQ(prune("a", {"--iterations", "3", "--select", "path:GLG"}).exit, 0);
  const std::string plan = (folder("a") / "run" / "plan.json").string();
  const Ran ran =
      run({"prune", demo_model().string(), "--plan", plan, "--out", folder("b").string()});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  std::vector<std::string> outside_run;
  for (const std::string& name : differing(folder("a"), folder("b"))) {
    if (!name.starts_with("run/")) outside_run.push_back(name);
  }
  EXPECT_THAT(outside_run, IsEmpty());
  EXPECT_EQ(read_file(folder("b") / "run" / "plan.json"), read_file(plan));
}

TEST_F(PruneRun, RepairGivesNewValuesThatThePlanReplays) {
  const Ran ran = prune("a", {"--iterations", "2", "--select", "path:GL", "--repair",
                              "least-squares", "--samples", "96", "--max-tokens", "256", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  ASSERT_TRUE(ran.json()["figures"].contains("repaired")) << ran.err;
  const Json figures = ran.json()["figures"];
  const auto excess = [&](const char* what) {
    return figures[what]["nll"].get<double>() - figures["dense"]["nll"].get<double>();
  };
  EXPECT_LT(excess("repaired"), 0.8 * excess("pruned"));
  EXPECT_THAT(read_file(folder("a") / "README.md"), HasSubstr("repaired"));
  EXPECT_EQ(read_json(folder("a") / "run/plan.json")["values"]["sha256"].size(), 2u * 11);
  for (const auto& entry : fs::directory_iterator(folder("a") / "run"))
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("scratch")));
  const std::string plan = (folder("a") / "run/plan.json").string();
  const Args replay = {"prune", demo_model().string(), "--plan", plan,
                       "--out", folder("b").string()};
  ASSERT_EQ(run(replay).exit, 0);
  EXPECT_EQ(read_file(folder("b") / "model.safetensors"),
            read_file(folder("a") / "model.safetensors"));
  Args twice = replay;
  twice.back() = folder("c").string();
  twice.insert(twice.end(),
               {"--repair", "least-squares", "--calibration", demo_calibration().string()});
  EXPECT_THAT(run(twice).err, HasSubstr("nothing to repair"));
  EXPECT_THAT(prune("d", {"--iterations", "1", "--repair", "prayer"}).err,
              HasSubstr("known: least-squares"));
  EXPECT_THAT(prune("d", {"--iterations", "1", "--set", "repair.damping=-1"}).err,
              HasSubstr("repair.damping must not be negative"));
}

TEST_F(PruneRun, ByDefaultUnitsOfLeastDamageGoFromAnyLayerAndTheRestIsRepaired) {
  const Args few = {"--remove", "0.3",          "--of", "blocks", "--samples",
                    "32",       "--max-tokens", "128",  "--json"};
  const Ran ran = prune("a", few);
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json metrics = ran.json();
  EXPECT_EQ(metrics["steps"].size(), 2u);
  EXPECT_EQ(metrics["steps"][0]["candidates"].size(), 2u) << "guarded by equal counts";
  EXPECT_NEAR(metrics["block_removed_fraction"].get<double>(), 0.3, 0.001);
  EXPECT_THAT(metrics["pruned"]["shape"].get<std::string>(), HasSubstr(" to ")) << "layers differ";
  const auto nll = [](const Json& m, const char* what) {
    return m["figures"][what]["nll"].get<double>();
  };
  Args loop = few;
  loop.insert(loop.end(), {"--select", "path:G"});
  const Json amp = prune("amp", loop).json();
  const double excess = nll(metrics, "pruned") - nll(metrics, "dense");
  EXPECT_LT(excess, 0.5 * (nll(amp, "pruned") - nll(amp, "dense")));
  const std::string plan = (folder("a") / "run/plan.json").string();
  ASSERT_EQ(
      run({"prune", demo_model().string(), "--plan", plan, "--out", folder("b").string()}).exit, 0);
  EXPECT_EQ(read_file(folder("b") / "model.safetensors"),
            read_file(folder("a") / "model.safetensors"));
  Args uniform = few;
  uniform.push_back("--uniform");
  const Ran equal = prune("u", uniform);
  ASSERT_EQ(equal.exit, 0) << equal.err;
  EXPECT_THAT(equal.json()["pruned"]["shape"].get<std::string>(), Not(HasSubstr(" to ")));
}

TEST_F(PruneRun, ReconstructionTrainsOnceWhatTheLastRoundLeavesAndThePlanReplaysIt) {
  const Args few = {"--remove",  "0.3", "--of",         "blocks", "--uniform",
                    "--samples", "16",  "--max-tokens", "64",     "--json"};
  const auto with = [&](const std::string& set) {
    Args args = few;
    args.insert(args.end(), {"--repair", "reconstruction", "--set", set});
    return args;
  };
  const Ran ran = prune("a", with("repair.steps=20"));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("every layer is trained for 20 steps"));
  const Json figures = ran.json()["figures"];
  ASSERT_TRUE(figures.contains("repaired")) << ran.err;
  EXPECT_LT(figures["repaired"]["nll"], figures["pruned"]["nll"]);
  const Json solved = prune("s", few).json()["figures"];
  EXPECT_EQ(figures["pruned"], solved["pruned"]) << "the rounds are those of least squares";
  const std::string plan = (folder("a") / "run/plan.json").string();
  ASSERT_EQ(
      run({"prune", demo_model().string(), "--plan", plan, "--out", folder("b").string()}).exit, 0);
  EXPECT_EQ(read_file(folder("b") / "model.safetensors"),
            read_file(folder("a") / "model.safetensors"));
  EXPECT_EQ(read_json(folder("a") / "run/manifest.json")["recipe"]["repair"]["learning_rate"],
            5e-4);
  for (const char* bad : {"repair.steps=0", "repair.learning_rate=0", "repair.learning_rate=1"}) {
    EXPECT_THAT(prune("d", with(bad)).err, HasSubstr("must be")) << bad;
  }
  Args unknown = few;
  unknown.insert(unknown.end(), {"--set", "repair.steps=20"});
  EXPECT_THAT(prune("d", unknown).err, HasSubstr("steps")) << "least squares has no steps";
}

TEST_F(PruneRun, ARepairThatHeldOutTextIsTheWorseForIsNotTaken) {
  const Ran ran = prune("a", {"--iterations", "1", "--select", "path:G", "--repair",
                              "least-squares", "--samples", "1", "--max-tokens", "8", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("the weights are unchanged"));
  EXPECT_FALSE(ran.json()["figures"].contains("repaired"));
  EXPECT_FALSE(read_json(folder("a") / "run/plan.json").contains("values"));
}

TEST_F(PruneRun, TheResolvedRecipeRepeatsTheRun) {
  ASSERT_EQ(
      prune("a", {"--iterations", "2", "--seed", "3", "--protect", "0,-1", "--budget", "released"})
          .exit,
      0);
  const std::string recipe = (folder("a") / "run" / "recipe.yaml").string();
  const Ran ran = run({"prune", "--recipe", recipe, "--out", folder("b").string()});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(differing(folder("a"), folder("b")), IsEmpty());
}

TEST_F(PruneRun, FlagsOverrideTheRecipeAndSetOverridesFlags) {
  write_file(folder("r.yaml"),
             "{target: {remove: 0.3}, select: random, width: {budget: released}}\n");
  const Ran ran =
      prune("a", {"--recipe", folder("r.yaml").string(), "--iterations", "1", "--select", "path:L",
                  "--set", "select=path:G", "--dry-run", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json recipe = ran.json()["recipe"];
  EXPECT_EQ(recipe["target"], Json({{"iterations", 1}}));
  EXPECT_EQ(recipe["select"], "path:G");
  EXPECT_EQ(recipe["width"]["budget"], "released");
}

class EverySelector : public PruneRun, public ::testing::WithParamInterface<std::string> {};

TEST_P(EverySelector, RunsAndIsReproducible) {
  const Args args = {"--iterations", "2", "--select", GetParam(), "--samples", "8"};
  const Ran ran = prune("a", args);
  ASSERT_EQ(ran.exit, 0) << ran.err;
  ASSERT_EQ(prune("b", args).exit, 0);
  EXPECT_THAT(differing(folder("a"), folder("b")), IsEmpty());
  const Json step = read("a/run/steps/01/metrics.json");
  EXPECT_EQ(step["candidates"].size(), 2u);
  const bool compares = GetParam() != "random";
  EXPECT_EQ(step["candidates"][0].contains("kl"), compares);
}

INSTANTIATE_TEST_SUITE_P(All, EverySelector,
                         ::testing::Values("random", "perplexity", "kl", "cosine"),
                         [](const auto& info) { return info.param; });

TEST_F(PruneRun, AFractionOfTheBlocksIsMetExactly) {
  const Ran ran = prune("a", {"--remove", "0.25", "--of", "blocks", "--select", "path:GL",
                              "--shape-multiple", "1", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const double removed = ran.json()["block_removed_fraction"].get<double>();
  EXPECT_GE(removed, 0.25);
  EXPECT_LT(removed, 0.2512) << "half a neuron a layer at the most";
}

TEST_F(PruneRun, ByDefaultTheFractionIsMetWithinHalfAPercentAndTheRunSaysItsWidths) {
  const Ran ran = prune("a", {"--remove", "0.25", "--of", "blocks", "--select", "path:GL"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("widths: multiples of "));
  EXPECT_NEAR(read("a/run/metrics.json")["block_removed_fraction"].get<double>(), 0.25, 0.005);
  EXPECT_EQ(read_json(folder("a") / "config.json")["intermediate_size"].get<int64_t>() % 4, 0);
}

TEST_F(PruneRun, ProtectedLayersStay) {
  ASSERT_EQ(prune("a", {"--iterations", "2", "--select", "path:L", "--protect", "9,-4"}).exit, 0);
  const Json plan = read("a/run/plan.json");
  EXPECT_EQ(plan["steps"][0]["layers"][0]["layer"], 7);
}

TEST_F(PruneRun, AllCalibrationSamplesAreMeasuredOnWithAndWithoutAValidationFile) {
  ASSERT_EQ(prune("a", {"--iterations", "1", "--select", "path:G", "--validation",
                        demo_evaluation().string()})
                .exit,
            0);
  const Json with = read("a/run/samples.json");
  EXPECT_EQ(with["calibration"]["samples"], 16);
  EXPECT_EQ(with["validation"]["samples"], 16);
  const Ran ran = prune("b", {"--iterations", "1", "--select", "path:G"});
  ASSERT_EQ(ran.exit, 0);
  EXPECT_THAT(ran.err, Not(HasSubstr("also calibration samples")));
  const Json without = read("b/run/samples.json");
  EXPECT_EQ(without["calibration"], with["calibration"]);
  EXPECT_EQ(without["validation"]["samples"], 2);
  EXPECT_EQ(without["validation"]["list"][0]["index"], 16);
  EXPECT_EQ(read("b/run/plan.json")["steps"], read("a/run/plan.json")["steps"]);
}

TEST_F(PruneRun, SaysThatAShortFileGivesTheSameSamplesToMeasureAndToJudgeOn) {
  const Ran ran = prune("a", {"--iterations", "1", "--select", "path:G", "--samples", "256"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("32 of 32 validation samples are also calibration samples"));
  EXPECT_THAT(ran.err, HasSubstr("give --validation FILE or fewer --samples"));
  EXPECT_EQ(read("a/run/samples.json")["calibration"]["samples"], 256);
  EXPECT_EQ(read("a/run/metrics.json")["figures"]["source"],
            "the last samples of the calibration file, also used for statistics");
}

TEST_F(PruneRun, WarnsWhenValidationTextWasMeasuredOn) {
  const Ran ran = prune("a", {"--iterations", "1", "--validation", demo_calibration().string()});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_THAT(ran.err, HasSubstr("16 of 16 validation samples are also calibration samples"));
}

TEST_F(PruneRun, WarnsOfTooLittleText) {
  const Args dry = {"--iterations", "1", "--select", "path:G", "--dry-run"};
  EXPECT_THAT(prune("a", dry).err, Not(HasSubstr("calibration tokens: scores")));
  Args few = dry;
  few.insert(few.end(), {"--samples", "2"});
  EXPECT_THAT(prune("a", few).err, HasSubstr("calibration tokens: scores will be"));
}

TEST_F(PruneRun, ADryRunTouchesNothing) {
  const Ran ran = prune("a", {"--iterations", "2", "--select", "path:LG", "--dry-run", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.json()["accounting"]["steps"].size(), 2u);
  EXPECT_GT(ran.json()["needs"]["disk_bytes"].get<int64_t>(), 1000000);
  EXPECT_THAT(fs::is_empty(temp_.path()), true);
}

TEST_F(PruneRun, WarnsBeforeOfShapesThatReadersReject) {
  const Ran ran =
      prune("a", {"--iterations", "1", "--select", "path:G", "--rule", "gqa", "--dry-run"});
  EXPECT_THAT(ran.err,
              HasSubstr("not a multiple of 32: llama.cpp's K-quants leave down_proj at 16 bits"));
  const Ran even = prune(
      "a", {"--iterations", "1", "--select", "path:G", "--shape-multiple", "32", "--dry-run"});
  EXPECT_THAT(even.err, Not(HasSubstr("not a multiple of 32")));
}

TEST_F(PruneRun, ForceReplacesAnEarlierResult) {
  ASSERT_EQ(prune("a", {"--iterations", "1", "--select", "path:L"}).exit, 0);
  ASSERT_EQ(prune("a", {"--iterations", "2", "--select", "path:L", "--force"}).exit, 0);
  ASSERT_EQ(prune("b", {"--iterations", "2", "--select", "path:L"}).exit, 0);
  EXPECT_THAT(differing(folder("a"), folder("b")), IsEmpty());
}

}  // namespace
}  // namespace mop::testing
