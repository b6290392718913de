// What the program refuses, in the words the user sees; and that nothing is lost by it.
#include <fmt/ranges.h>

#include "e2e/small_disk.h"

namespace mop::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class Refusals : public ::testing::Test {
 protected:
  fs::path file(const std::string& name) const { return temp_.path() / name; }
  std::string out() const { return file("out").string(); }
  Args prune(const Args& more) { return prune_args(out(), more); }

  // One error, nothing on stdout, nothing left behind.
  void expect_refused(const Args& args, int code, const std::string& text) {
    const Ran ran = run(args);
    EXPECT_EQ(ran.exit, code) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("error: ")) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(text)) << ran.err;
    EXPECT_THAT(ran.out, IsEmpty());
    EXPECT_FALSE(fs::exists(out()));
    EXPECT_FALSE(fs::exists(out() + ".partial"));
  }

  TempFolder temp_;
};

TEST_F(Refusals, UnknownVerbsSuggestTheNearest) {
  expect_refused({"prunne"}, 2, "unknown verb 'prunne': did you mean 'prune'?");
  expect_refused({"frobnicate"}, 2, "known: inspect, plan, list, prune, score, recover, train");
}

TEST_F(Refusals, UnknownFlagsSuggestTheNearest) {
  expect_refused(prune({"--itertions=2"}), 2,
                 "mop prune has no flag --itertions (did you mean '--iterations'?)");
  expect_refused({"prune", "m", "--output", "o"}, 2,
                 "mop prune has no flag --output (did you mean '--out'?)");
  expect_refused({"inspect", "m", "--frobnicate"}, 2, "hint: mop inspect --help");
}

TEST_F(Refusals, UnknownNamesSettingsAndChoicesSuggestTheNearest) {
  const auto refused = [&](const Args& more, const std::string& text) {
    Args args = {"--iterations", "1"};
    args.insert(args.end(), more.begin(), more.end());
    expect_refused(prune(args), 2, text);
  };
  refused({"--repair", "leastsquares"},
          "unknown repair.method 'leastsquares': did you mean 'least-squares'?");
  refused({"--select", "perplexty"}, "unknown selector 'perplexty': did you mean 'perplexity'?");
  refused({"--criterion", "wanda"}, "unknown width.criterion 'wanda'");
  refused({"--depth-rule", "block-inflence"}, "did you mean 'block-influence'?");
  refused({"--set", "widht.heads=amp-heads"}, "widht (did you mean 'width'?)");
  refused({"--set", "width.budjet=exact"}, "budjet (did you mean 'budget'?)");
  refused({"--set", "wanda-sp-head.x=1"}, "wanda-sp-head (did you mean 'wanda-sp-heads'?)");
  refused({"--set", "recovery.lora.rnk=1", "--set", "recovery.data.file=x"},
          "lora does not know: rnk (did you mean 'rank'?)");
  expect_refused({"list", "critera"}, 2, "unknown list 'critera': did you mean 'criteria'?");
  expect_refused({"list", "repairs", "biass"}, 2, "did you mean 'bias'?");
  expect_refused({"completion", "bahs"}, 2, "unknown shell 'bahs': did you mean 'bash'?");
}

TEST_F(Refusals, UsageErrorsExitWithTwo) {
  EXPECT_EQ(run({}).exit, 2);
  expect_refused({"inspect"}, 2, "MODEL is required");
  expect_refused({"inspect", "a", "b"}, 2, "mop inspect --help");
  expect_refused(prune({"--iterations", "many"}), 2, "--iterations");
  expect_refused(prune({"--iterations", "1", "--remove", "0.4"}), 2, "excludes");
  expect_refused(prune({"--iterations", "1", "--sets", "a=b"}), 2, "--sets");
  expect_refused(prune({}), 2, "no target");
  expect_refused(prune({"--remove", "1.5"}), 2,
                 "--remove: 1.5 is not a fraction below 1; give 0.3, or 30%");
  expect_refused({"generate", "m", "--prompt", "x", "--temperature", "-1"}, 2,
                 "--temperature: must be 0 or more, got -1\n");
  expect_refused({"bench", "m", "--repeat", "0"}, 2, "--repeat: must be above 0, got 0\n");
  expect_refused({"bench", "m", "--prompt", "9223372036854775807"}, 2,
                 "--prompt: must be at most 2147483647, got 9223372036854775807\n");
  expect_refused({"prune", demo_model(), "--iterations", "1", "--calibration", demo_calibration()},
                 2, "--out is required");
}

// Whoever puts MODEL behind a list, a percentage, or two flags that exclude each other.
TEST_F(Refusals, FlagsAreReadAsTheyAreMeant) {
  const std::string model = demo_model().string();
  const auto resolved = [](const Args& args) {
    Args all = args;
    all.insert(all.end(), {"--dry-run", "--json"});
    const Ran ran = run(all);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return ran.json()["recipe"];
  };
  const Json recipe =
      resolved({"prune", "--remove", "30%", "--protect", "0,1", "--set", "seed=3", model});
  EXPECT_EQ(recipe["target"]["remove"], 0.3);
  EXPECT_EQ(recipe["protect"], Json({0, 1}));
  EXPECT_EQ(recipe["seed"], 3);
  expect_refused(prune({"--iterations", "1", "--resume", "--force"}), 2,
                 "--resume excludes --force");
  expect_refused({"eval", model, "--text", demo_evaluation()}, 2, "--text needs --protocol");
  expect_refused({"generate", "m", "--prompt", "x", "--max-tokens", "8"}, 2,
                 "mop generate has no flag --max-tokens (did you mean '--max-new-tokens'?)");
  expect_refused({"plan", model, "--remove", "0.3", "--shape-multiple", "1024"}, 2,
                 "shape_multiple 1024 is more than the width of the model's MLPs, 512");
  expect_refused({"report", file("none")}, 1, "there is no such file or folder");
  const Ran told = run(
      {"prune", model, "--dry-run", "--remove", "0.3", "--min-kv-groups", "8", "--protect", "0"});
  EXPECT_THAT(told.err, AllOf(HasSubstr("min_kv_groups 8: no head can be removed"),
                              HasSubstr("`protect` has no effect")));
}

TEST_F(Refusals, ADryRunRefusesAnOutputFolderThatTheRunWouldRefuse) {
  const std::string model = demo_model().string();
  const auto dry = [&](const fs::path& place) {
    return Args{"prune", model, "--remove", "0.3", "--dry-run", "--out", place.string()};
  };
  expect_refused(dry(demo_model() / "pruned"), 2, "must not overlap");
  write_file(file("file"), "");
  expect_refused(dry(file("file")), 2, "--out is a file, not a folder");
  fs::create_directories(file("mine"));
  write_file(file("mine") / "thesis.txt", "years of work");
  expect_refused(dry(file("mine")), 2, "files that were not written by mop");
}

TEST_F(Refusals, ExistingFilesAreReplacedWithForceOnly) {
  const std::string model = demo_model().string(), kept = file("kept").string();
  write_file(file("text.txt"), "once upon a time\n");
  write_file(kept, "years of work");
  const Args commands[] = {
      {"plan", model, "--remove", "0.3", "--out", kept},
      {"list", "criteria", "--out", kept},
      {"inspect", model, "--out", kept},
      {"generate", model, "--prompt", "a", "--max-new-tokens", "1", "--out", kept},
      {"eval", model, "--text", file("text.txt"), "--protocol", "lines", "--out", kept},
      {"eval", model, "--vs", model, "--text", file("text.txt"), "--protocol", "lines", "--report",
       kept},
      {"score", model, "--criterion", "magnitude-heads", "--samples", "1", "--out", kept}};
  for (const Args& command : commands) {
    const std::string name = fmt::format("{}", fmt::join(command, " "));
    expect_refused(command, 2, "hint: --force replaces it");
    EXPECT_EQ(read_file(kept), "years of work") << name;
    Args forced = command;
    forced.push_back("--force");
    const Ran ran = run(forced);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_NE(read_file(kept), "years of work") << name;
    write_file(kept, "years of work");
  }
  EXPECT_EQ(run({"list", "criteria", "--out", "/dev/null"}).exit, 0) << "a device is not replaced";
}

TEST_F(Refusals, UnknownNamesListTheKnownOnes) {
  expect_refused(prune({"--iterations", "1", "--select", "best"}), 2,
                 "known: path, random, perplexity, kl, cosine");
  expect_refused(prune({"--iterations", "1", "--select", "path:LXG"}), 2, "asks for 'X'");
  expect_refused(prune({"--iterations", "1", "--budget", "cheap"}), 2, "exact");
  expect_refused(prune({"--iterations", "1", "--rule", "all"}), 2, "mlp-only");
  expect_refused(prune({"--iterations", "1", "--set", "width.heads=amp-head"}), 2,
                 "known: amp-heads");
  expect_refused(prune({"--iterations", "1", "--set", "widht.heads=amp-heads"}), 2,
                 "unknown keys of a recipe: widht");
  expect_refused(prune({"--iterations", "1", "--dtype", "float8"}), 2, "float8");
  expect_refused(prune({"--iterations", "1", "--device", "tpu"}), 2, "tpu");
  expect_refused({"score", demo_model(), "--criterion", "amp", "--calibration", demo_calibration(),
                  "--out", file("s.safetensors")},
                 2, "unknown criterion 'amp'");
  expect_refused({"eval", demo_model(), "--text", demo_evaluation(), "--protocol", "words"}, 2,
                 "known: lines");
  expect_refused({"list", "critera"}, 2, "known: criteria, units, selectors");
}

TEST_F(Refusals, TextThatHoldsNothing) {
  write_file(file("empty.txt"), "");
  write_file(file("blank.txt"), "\n  \n\n");
  for (const std::string name : {"empty.txt", "blank.txt"}) {
    Args args = prune({"--iterations", "1", "--calibration", file(name).string()});
    args.erase(args.begin() + 4, args.begin() + 6);
    expect_refused(args, 1, file(name).string());
  }
  expect_refused({"eval", demo_model(), "--text", file("empty.txt"), "--protocol", "lines"}, 1,
                 "empty.txt");
  expect_refused({"eval", demo_model(), "--text", file("none.txt"), "--protocol", "lines"}, 1,
                 "No such file");
}

TEST_F(Refusals, ATargetThatCannotBeReachedIsToldBeforeTheRun) {
  expect_refused(prune({"--iterations", "11", "--select", "path:L"}), 1,
                 "at least 3 layers, the model has 2");
  expect_refused(prune({"--remove", "0.99"}), 1, "the layers hold only");
}

TEST_F(Refusals, ABrokenModelOrPlan) {
  expect_refused({"inspect", file("nothing")}, 1, "nothing");
  fs::copy(demo_model(), file("model"), fs::copy_options::recursive);
  fs::resize_file(file("model") / "model.safetensors", 1000000);
  expect_refused({"inspect", file("model")}, 1, "model.safetensors");
  write_file(file("plan.json"),
             R"({"version": 1, "dense_parameters": 1, "source_fingerprint": "x", "steps": []})");
  expect_refused({"prune", demo_model(), "--plan", file("plan.json"), "--out", out()}, 1,
                 "the plan was made for another model");
  write_file(file("plan.json"), "{");
  expect_refused({"prune", demo_model(), "--plan", file("plan.json"), "--out", out()}, 1,
                 "not valid JSON");
}

TEST_F(Refusals, ANonEmptyOutputFolder) {
  fs::create_directories(out());
  write_file(file("out") / "thesis.txt", "years of work");
  const Ran plain = run(prune({"--iterations", "1"}));
  EXPECT_EQ(plain.exit, 2);
  EXPECT_THAT(plain.err, HasSubstr("the output folder is not empty"));
  const Ran forced = run(prune({"--iterations", "1", "--force"}));
  EXPECT_EQ(forced.exit, 2);
  EXPECT_THAT(forced.err, HasSubstr("files that were not written by mop"));
  EXPECT_EQ(read_file(file("out") / "thesis.txt"), "years of work");
  EXPECT_FALSE(fs::exists(out() + ".partial"));
}

TEST_F(Refusals, AnOutputThatOverlapsTheModel) {
  fs::copy(demo_model(), file("model"), fs::copy_options::recursive);
  fs::create_directory_symlink(file("model"), file("link"));
  const auto before = tree(file("model"));
  for (const std::string place : {"model", "model/pruned", ".", "link", "link/x"}) {
    Args args = prune_args(file(place), {"--iterations", "1", "--force"});
    args[1] = file("model").string();
    const Ran ran = run(args);
    EXPECT_EQ(ran.exit, 2) << place;
    EXPECT_THAT(ran.err, HasSubstr("--out and the model must not overlap")) << place;
  }
  EXPECT_EQ(tree(file("model")), before);
}

TEST_F(Refusals, APlaceThatCannotBeWritten) {
  const Ran ran = run(prune_args("/proc/mop-out", {"--iterations", "1"}));
  EXPECT_EQ(ran.exit, 1) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("error: cannot make the folder"));
}

TEST_F(Refusals, AWriteThatFailsIsOneErrorAndCanBeResumed) {
  // Files of more than a megabyte cannot be written: the statistics can, the checkpoint cannot.
  const Args args = prune({"--iterations", "1", "--select", "path:G"});
  const Ran failed = Process(args, {.file_bytes = 1 << 20}).wait();
  EXPECT_EQ(failed.exit, 1);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("error: cannot write: File too large"),
                                HasSubstr("the same command with --resume continues"),
                                HasSubstr("the limit on the size of a file is 1.05 MB")));
  EXPECT_FALSE(fs::exists(out()));
  Args resume = args;
  resume.push_back("--resume");
  EXPECT_EQ(run(resume).exit, 0);
  ASSERT_EQ(run(prune_args(file("whole"), {"--iterations", "1", "--select", "path:G"})).exit, 0);
  EXPECT_THAT(differing(file("whole"), out()), IsEmpty());
}

// N stands for the numbers. Sums and products with them overflowed, as the sanitized program tells.
TEST_F(Refusals, LargestNumbersAreRefusedOrTaken) {
  const std::string model = demo_model().string(), text = file("text.txt").string();
  const std::string all = read_file(demo_evaluation());
  write_file(text, all.substr(0, all.find('\n', 600) + 1));
  const Args eval = {"eval", model, "--text", text, "--protocol"},
             dry = {"prune", model, "--remove", "0.3", "--dry-run"},
             train = {"recover", model, "--data", text, "--tokens", "10", "--out", out()};
  const std::pair<Args, Args> commands[] = {
      {{"generate", model, "--prompt", "a", "--max-new-tokens", "N"}, {}},
      {{"generate", model, "--prompt", "a", "--max-new-tokens", "1", "--seed", "N"}, {}},
      {{"bench", model, "--prompt", "N"}, {}},
      {{"bench", model, "--generate", "N"}, {}},
      {{"bench", model, "--repeat", "N"}, {}},
      {{"bench", model, "--batch", "N"}, {}},
      {eval, {"windows:N"}},
      {eval, {"llama.cpp:N"}},
      {eval, {"lines", "--max-tokens", "N"}},
      {eval, {"lines", "--threads", "N"}},
      {dry, {"--samples", "N", "--max-tokens", "N"}},
      {dry, {"--seed", "N"}},
      {dry, {"--rounds", "N"}},
      {dry, {"--set", "width.shape_multiple=N"}},
      {{"prune", model, "--dry-run"}, {"--iterations", "N"}},
      {{"plan", model}, {"--iterations", "N"}},
      {train, {"--dry-run", "--epochs", "N"}},
      {train, {"--max-tokens", "N"}},
      {train, {"--set", "batch=N"}},
      {train, {"--set", "accumulate=N"}},
      {train, {"--set", "method=lora", "--set", "lora.rank=N"}},
      {train, {"--set", "pack_tokens=N"}},
      {train, {"--set", "piece_tokens=N"}},
      {train, {"--set", "save_every=N"}},
      {train, {"--set", "validate_every=N"}},
      {train, {"--set", "validation.samples=N"}}};
  for (const auto& [command, more] : commands) {
    for (const std::string number : {"9223372036854775807", "4294967297"}) {
      Args args = command;
      args.insert(args.end(), more.begin(), more.end());
      for (std::string& arg : args) {
        const size_t at = arg.rfind('N');
        if (at != arg.npos && at + 1 == arg.size()) arg.replace(at, 1, number);
      }
      const Ran ran = run(args);
      EXPECT_THAT(ran.exit, AnyOf(0, 1, 2)) << fmt::format("{}", fmt::join(args, " "));
      EXPECT_THAT(ran.err, Not(AnyOf(HasSubstr("runtime error"), HasSubstr("AddressSanitizer"))))
          << fmt::format("{}", fmt::join(args, " "));
      for (const char* left : {"", ".partial"}) fs::remove_all(out() + left);
    }
  }
}

TEST_F(Refusals, ADiskWithoutRoomIsToldBeforeTheWork) {
  const SmallDisk disk(file("disk"), "size=4m");
  if (!disk.mounted()) GTEST_SKIP() << disk.skipped();
  const Ran ran =
      run(prune_args(file("disk") / "out", {"--iterations", "1", "--select", "path:L"}));
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("error: the run needs about"), HasSubstr("are free")));
  EXPECT_TRUE(fs::is_empty(file("disk")));
}

TEST_F(Refusals, ATrainingWithoutRoomIsToldBeforeTheWork) {
  const SmallDisk disk(file("disk"), "size=8m");
  if (!disk.mounted()) GTEST_SKIP() << disk.skipped();
  const Ran ran = run({"recover", demo_model().string(), "--data", demo_calibration().string(),
                       "--out", (file("disk") / "out").string(), "--method", "full"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("error: the run needs about"), HasSubstr("are free")));
  EXPECT_TRUE(fs::is_empty(file("disk")));
}

TEST_F(Refusals, AMountPointCannotBeReplaced) {
  const SmallDisk disk(file("disk"), "size=64m");
  if (!disk.mounted()) GTEST_SKIP() << disk.skipped();
  const Ran ran = run(prune_args(file("disk"), {"--iterations", "1"}));
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("--out is a mount point"));
}

}  // namespace
}  // namespace mop::testing
