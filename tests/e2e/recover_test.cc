// mop recover and mop train as a user runs them, killed, stopped and continued.
#include "e2e/training.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

// A few seconds of training on the embedded model.
Args recover_args(const fs::path& out, const Args& more) {
  Args args = {"recover",      demo_model().string(),
               "--data",       demo_calibration().string(),
               "--out",        out.string(),
               "--max-tokens", "32",
               "--tokens",     "1500",
               "--set",        "accumulate=4",
               "--set",        "validation.samples=4",
               "--set",        "save_every=2",
               "--json"};
  const bool all_weights = std::ranges::any_of(
      more, [](const std::string& arg) { return arg == "full" || arg == "distil.trains=full"; });
  if (!all_weights) args.insert(args.end(), {"--set", "lora.rank=4"});
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST(Recover, LeavesATrainedCheckpointAndAnAdapter) {
  TempFolder folder;
  const fs::path pruned = folder.path() / "pruned", out = folder.path() / "out";
  ASSERT_EQ(run(prune_args(pruned, {"--iterations", "2", "--select", "path:L"})).exit, 0);
  Args args = recover_args(out, {"--set", "learning_rate=3e-3"});
  args[1] = pruned.string();
  const Ran ran = run(args);
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json outcome = ran.json()["outcome"];
  EXPECT_LT(outcome["nll_best"].get<double>(), outcome["nll_before"].get<double>());
  EXPECT_GE(outcome["tokens"].get<int64_t>(), 1500);
  EXPECT_EQ(read_json(out / "adapter/adapter_config.json")["r"], 4);
  EXPECT_FALSE(fs::exists(out / "run/state"));
  EXPECT_EQ(read_json(out / "run/plan.json")["steps"], read_json(pruned / "run/plan.json")["steps"])
      << "where its layers come from stays known";
  const Ran replay =
      run({"prune", demo_model().string(), "--plan", (out / "run/plan.json").string(), "--out",
           (folder.path() / "again").string()});
  ASSERT_EQ(replay.exit, 0) << replay.err;
  EXPECT_EQ(read_file(folder.path() / "again/model.safetensors"),
            read_file(out / "model.safetensors"));
  EXPECT_EQ(read_file(folder.path() / "again/run/plan.json"), read_file(out / "run/plan.json"));
  EXPECT_THAT(read_file(folder.path() / "again/README.md"),
              HasSubstr("It was trained after pruning"));
  fs::copy_file(out / "run/plan.json", folder.path() / "alone.json");
  EXPECT_THAT(
      run({"prune", demo_model().string(), "--plan", (folder.path() / "alone.json").string(),
           "--out", (folder.path() / "third").string()})
          .err,
      HasSubstr("the plan's values was not found"));
  const Ran scored = run({"eval", out.string(), "--text", demo_evaluation().string(), "--protocol",
                          "windows:128", "--limit", "4", "--json"});
  EXPECT_EQ(scored.exit, 0) << scored.err;
  args.push_back("--resume");
  EXPECT_THAT(run(args).err, HasSubstr("nothing to do"));
}

TEST(Recover, KilledOrStoppedItContinuesWithTheSameBits) {
  TempFolder folder;
  const fs::path whole = folder.path() / "whole", broken = folder.path() / "broken";
  ASSERT_EQ(run(recover_args(whole, {})).exit, 0);
  Process killed(recover_args(broken, {}));
  wait_for_lines(killed, broken, 4);
  killed.send(SIGKILL);
  EXPECT_EQ(killed.wait().exit, -SIGKILL);
  Process stopped(recover_args(broken, {"--resume"}));
  wait_for_lines(stopped, broken, 6);
  stopped.send(SIGTERM);
  const Ran end = stopped.wait();
  EXPECT_EQ(end.exit, 143) << end.err;
  EXPECT_THAT(end.err, HasSubstr("--resume continues"));
  const Ran last = run(recover_args(broken, {"--resume"}));
  ASSERT_EQ(last.exit, 0) << last.err;
  EXPECT_THAT(last.err, HasSubstr("continues after step"));
  expect_same_run(whole, broken);
}

TEST(Recover, ALossThatIsNotFiniteStopsWithTheLastGoodState) {
  TempFolder folder;
  const fs::path out = folder.path() / "out";
  const Ran ran = run(
      recover_args(out, {"--method", "full", "--set", "learning_rate=1e30", "--tokens", "900"}));
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, HasSubstr("is not finite; what was trained before it is kept"));
  EXPECT_THAT(ran.err, HasSubstr("lower the learning rate"));
  EXPECT_TRUE(fs::exists(out.string() + ".partial/run/state/state.safetensors"));
}

TEST(Recover, DistilsFromTheDenseModelAndTrainsEveryWeight) {
  TempFolder folder;
  const fs::path pruned = folder.path() / "pruned", out = folder.path() / "out";
  ASSERT_EQ(run(prune_args(pruned, {"--iterations", "2", "--select", "path:L"})).exit, 0);
  Args args = recover_args(out, {"--method", "distil", "--teacher", demo_model().string(), "--set",
                                 "distil.trains=full", "--set", "distil.hidden=0.1"});
  args[1] = pruned.string();
  const Ran ran = run(args);
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json outcome = ran.json()["outcome"];
  EXPECT_LT(outcome["nll_best"].get<double>(), outcome["nll_before"].get<double>());
  EXPECT_FALSE(fs::exists(out / "adapter"));
}

TEST(Recover, ARecipePrunesRecoversAndEvaluatesInOneRun) {
  TempFolder folder;
  const fs::path recipe = folder.path() / "recipe.yaml", out = folder.path() / "out";
  write_file(recipe, "recovery:\n  data: {file: " + demo_evaluation().string() +
                         ", max_tokens: 32}\n  tokens: 1500\n  accumulate: 4\n");
  const Ran ran =
      run(prune_args(out, {"--iterations", "1", "--recipe", recipe.string(), "--json"}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json figures = ran.json()["figures"];
  EXPECT_LT(figures["recovered"]["perplexity"].get<double>(),
            figures["pruned"]["perplexity"].get<double>());
  // The model that an adapter would belong to is not written.
  EXPECT_FALSE(fs::exists(out / "adapter"));
  EXPECT_THAT(read_file(out / "README.md"), HasSubstr("It was trained after pruning"));
  const Ran replay =
      run({"prune", demo_model().string(), "--plan", (out / "run/plan.json").string(), "--out",
           (folder.path() / "again").string()});
  ASSERT_EQ(replay.exit, 0) << replay.err;
  EXPECT_EQ(read_file(folder.path() / "again/model.safetensors"),
            read_file(out / "model.safetensors"));
  EXPECT_EQ(read_file(folder.path() / "again/README.md"), read_file(out / "README.md"));
}

TEST(Recover, FiguresOfTheTextThatIsTrainedOnAreMarked) {
  TempFolder folder;
  const fs::path recipe = folder.path() / "recipe.yaml";
  write_file(recipe, "recovery:\n  data: {file: " + demo_calibration().string() +
                         ", max_tokens: 16}\n  tokens: 200\n  learning_rate: 1e-3\n");
  const Ran ran = run(prune_args(folder.path() / "out",
                                 {"--iterations", "1", "--recipe", recipe.string(), "--json"}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("are measured on the file that it trains on"));
  EXPECT_THAT(ran.json()["figures"]["source"].get<std::string>(),
              HasSubstr("; recovery trains on the same file"));
}

TEST(Train, LearnsFromRandomWeights) {
  TempFolder folder;
  const fs::path out = folder.path() / "out", config = folder.path() / "config.json";
  Json json = read_json(demo_model() / "config.json");
  json["num_hidden_layers"] = 2;
  write_file(config, to_text(json));
  const Ran ran = run({"train", "--config", config.string(), "--tokenizer", demo_model().string(),
                       "--data", demo_calibration().string(), "--out", out.string(), "--tokens",
                       "6000", "--max-tokens", "48", "--set", "accumulate=4", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json outcome = ran.json()["outcome"];
  EXPECT_NEAR(outcome["nll_before"].get<double>(), std::log(2048.), 0.2);
  EXPECT_LT(outcome["nll_best"].get<double>(), 6);
  EXPECT_EQ(run({"inspect", out.string()}).exit, 0);
  EXPECT_THAT(read_file(out / "run/report.html"),
              HasSubstr("mop train --config " + config.string() + " --tokenizer " +
                        demo_model().string() + " --recipe run/recipe.yaml"));
}

TEST(Recover, RefusesWhatCannotBe) {
  TempFolder folder;
  const fs::path out = folder.path() / "out";
  EXPECT_THAT(run(recover_args(out, {"--method", "distil"})).err, HasSubstr("--teacher DENSE"));
  EXPECT_THAT(run(recover_args(out, {"--set", "lora.targets=[query]"})).err,
              HasSubstr("known: q_proj, k_proj"));
  EXPECT_THAT(run(recover_args(out, {"--set", "learning_rat=1"})).err, HasSubstr("learning_rat"));
  const Ran method = run(recover_args(out, {"--method", "magic"}));
  EXPECT_EQ(method.exit, 2);
  EXPECT_THAT(method.err, HasSubstr("known: lora, full, distil"));
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
}  // namespace mop::testing
