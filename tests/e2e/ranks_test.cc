// Several processes share the work: the same figures, one writer, and an end when one of them ends.
#include "e2e/ranks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "checkpoint/safetensors.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

Args score_args(const fs::path& out, const std::string& samples) {
  return {"score",         demo_model().string(),
          "--criterion",   "amp-heads,amp-neurons",
          "--calibration", demo_calibration().string(),
          "--samples",     samples,
          "--max-tokens",  "48",
          "--out",         out.string(),
          "--threads",     "1"};
}

void expect_same_scores(const fs::path& a, const fs::path& b) {
  const SafetensorsFile ours = SafetensorsFile::open(a), theirs = SafetensorsFile::open(b);
  ASSERT_EQ(ours.entries().size(), 24u);
  for (const auto& [name, entry] : theirs.entries()) {
    const at::Tensor x = ours.tensor(name), y = theirs.tensor(name);
    EXPECT_LT(((x - y).abs() / y.abs()).max().item<double>(), 1e-6) << name;
  }
}

TEST(Ranks, ScoresAreThoseOfOneProcess) {
  const TempFolder folder;
  const fs::path one = folder.path() / "one", two = folder.path() / "two",
                 four = folder.path() / "four";
  ASSERT_EQ(run(score_args(one, "11")).exit, 0);
  EXPECT_THAT(run_ranks(2, score_args(two, "11")).out, HasSubstr("11"));
  run_ranks(4, score_args(four, "11"));
  expect_same_scores(two, one);
  expect_same_scores(four, one);
}

TEST(Ranks, MoreRanksThanSamplesIsFine) {
  const TempFolder folder;
  ASSERT_EQ(run(score_args(folder.path() / "one", "3")).exit, 0);
  run_ranks(4, score_args(folder.path() / "four", "3"));
  expect_same_scores(folder.path() / "four", folder.path() / "one");
}

TEST(Ranks, PruneTakesTheSameStepsAndWritesOnce) {
  const TempFolder folder;
  const Args more = {"--iterations", "3", "--select", "perplexity", "--threads", "1"};
  const fs::path one = folder.path() / "one", two = folder.path() / "two";
  ASSERT_EQ(run(prune_args(one, more)).exit, 0);
  run_ranks(2, prune_args(two, more));
  EXPECT_EQ(read_json(two / "run/plan.json")["steps"], read_json(one / "run/plan.json")["steps"]);
  EXPECT_EQ(read_file(two / "model.safetensors"), read_file(one / "model.safetensors"));
  const Json ours = read_json(two / "run/metrics.json"),
             theirs = read_json(one / "run/metrics.json");
  for (const char* which : {"dense", "pruned"}) {
    EXPECT_NEAR(ours["figures"][which]["nll"].get<double>(),
                theirs["figures"][which]["nll"].get<double>(), 1e-6);
  }
  EXPECT_EQ(ours["samples"], (Json{{"statistics", 16}, {"validation", 2}}));
}

// The same curves, repairs and plan on every rank; judging alone is shared.
TEST(Ranks, TheDefaultMethodGivesTheBytesOfOneProcess) {
  const TempFolder folder;
  const Args more = {"--remove", "0.2", "--samples", "8", "--max-tokens", "32", "--threads", "1"};
  const fs::path one = folder.path() / "one", two = folder.path() / "two";
  ASSERT_EQ(run(prune_args(one, more)).exit, 0);
  run_ranks(2, prune_args(two, more));
  // The number of ranks, and figures that are sums over them.
  for (const std::string& name : differing(one, two)) {
    EXPECT_THAT(name, ::testing::AnyOf("run/manifest.json", "run/metrics.json", "README.md",
                                       ::testing::EndsWith("/metrics.json")));
  }
  EXPECT_EQ(read_json(two / "run/plan.json")["steps"], read_json(one / "run/plan.json")["steps"]);
  EXPECT_NEAR(read_json(two / "run/metrics.json")["figures"]["pruned"]["nll"].get<double>(),
              read_json(one / "run/metrics.json")["figures"]["pruned"]["nll"].get<double>(), 1e-6);
}

// What a rank keeps between layers may be large, and the system's temporary folder small.
TEST(Ranks, KeepWhatTheyNeedForAWhileInTheRunFolder) {
  const TempFolder folder;
  const fs::path full = folder.path() / "full";
  fs::create_directories(full);
  const std::map<std::string, std::string> environment = {{"TMPDIR", full.string()},
                                                          {"LD_PRELOAD", MOP_FAULT_SHIM},
                                                          {"MOP_FAULT", "full"},
                                                          {"MOP_FAULT_AT", "1"},
                                                          {"MOP_FAULT_UNDER", full.string()}};
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  const std::vector<Args> commands = {
      prune_args(folder.path() / "pruned",
                 {"--remove", "0.2", "--samples", "4", "--max-tokens", "32", "--threads", "1"}),
      {"recover", demo_model().string(), "--data", demo_calibration().string(), "--out",
       (folder.path() / "trained").string(), "--max-tokens", "32", "--tokens", "100", "--threads",
       "1", "--set", "accumulate=2"}};
  std::vector<std::vector<std::unique_ptr<Process>>> jobs;
  for (const Args& command : commands) jobs.push_back(start_ranks(2, command, 2));
  for (const auto& [name, value] : environment) ::unsetenv(name.c_str());
  for (const auto& job : jobs) {
    for (const auto& rank : job) {
      const Ran ran = rank->wait();
      EXPECT_EQ(ran.exit, 0) << ran.err;
    }
  }
}

// Files of which every rank gets its own: textN.txt, tasksN/, and another model than the embedded
// one.
void write_differing_files(const fs::path& folder) {
  const std::string text = read_file(demo_calibration());
  const fs::path records =
      fs::path(MOP_SOURCE_DIR) / "tests/golden/tasks/data/piqa-validation.jsonl";
  const std::string all = read_file(records);
  for (const size_t rank : {0u, 1u}) {
    write_file(folder / fmt::format("text{}.txt", rank), text.substr(rank * 3000, 2000));
    const fs::path tasks = folder / fmt::format("tasks{}", rank);
    fs::create_directories(tasks);
    write_file(tasks / "piqa-validation.jsonl",
               rank == 0 ? all : all.substr(0, all.find('\n') + 1));
  }
  fs::copy(demo_model(), folder / "model", fs::copy_options::recursive);
  Json config = read_json(folder / "model/config.json");
  config["rms_norm_eps"] = 1e-6;
  write_file(folder / "model/config.json", config.dump());
}

// A command of one rank and the entry that is another on the other one.
struct Differing {
  std::string entry;
  Args args;
};

std::vector<Differing> differing_evaluations(const fs::path& folder, const std::string& rank) {
  const std::string demo = demo_model().string(), text0 = (folder / "text0.txt").string(),
                    text = (folder / ("text" + rank + ".txt")).string(),
                    tasks = (folder / ("tasks" + rank)).string(),
                    model = rank == "0" ? demo : (folder / "model").string();
  return {{"text.sha256", {"eval", demo, "--text", text, "--protocol", "windows:64"}},
          {"eval.protocol", {"eval", demo, "--text", text0, "--protocol", "windows:6" + rank}},
          {"model.fingerprint", {"eval", model, "--text", text0, "--protocol", "windows:64"}},
          {"versus", {"eval", demo, "--vs", model, "--text", text0, "--protocol", "windows:64"}},
          {"data.piqa-validation", {"eval", demo, "--tasks", "piqa", "--data", tasks}}};
}

std::vector<Differing> differing_runs(const fs::path& folder, const std::string& rank) {
  const std::string demo = demo_model().string(), out = (folder / "out").string(),
                    text = (folder / ("text" + rank + ".txt")).string();
  const Args training = {"--data", text, "--out", out, "--tokens", "100", "--max-tokens", "32"};
  Args recover = {"recover", demo}, train = {"train", "--config", demo, "--tokenizer", demo};
  recover.insert(recover.end(), training.begin(), training.end());
  train.insert(train.end(), training.begin(), training.end());
  return {{"calibration.sha256",
           {"score", demo, "--criterion", "amp-heads", "--calibration", text, "--out", out,
            "--samples", "4"}},
          {"recipe.seed", prune_args(out, {"--remove", "0.2", "--seed", rank})},
          {"calibration.sha256", prune_args(out, {"--remove", "0.2", "--calibration", text})},
          {"data.sha256", recover},
          {"data.sha256", train}};
}

// Both ranks say what differs, and no number is printed.
void expect_refused(const Differing& first, const Differing& second) {
  const std::string what = first.args[0] + " " + first.entry;
  for (const auto& rank : start_ranks(2, std::vector<Args>{first.args, second.args})) {
    const Ran ran = rank->wait();
    EXPECT_EQ(ran.exit, 1) << what << "\n" << ran.err;
    EXPECT_EQ(ran.out, "") << what;
    EXPECT_THAT(ran.err, HasSubstr("error: the ranks of this job have different inputs")) << what;
    EXPECT_THAT(ran.err, HasSubstr("  " + first.entry + ": ")) << what;
    EXPECT_THAT(ran.err, HasSubstr(" on rank 1")) << what;
  }
}

TEST(Ranks, WithDifferentInputsAreRefusedByEveryJob) {
  const TempFolder folder;
  write_differing_files(folder.path());
  for (const auto& differing : {differing_evaluations, differing_runs}) {
    const auto first = differing(folder.path(), "0"), second = differing(folder.path(), "1");
    for (size_t i = 0; i < first.size(); ++i) {
      expect_refused(first[i], second[i]);
      EXPECT_FALSE(fs::exists(folder.path() / "out")) << first[i].args[0];
      fs::remove_all(folder.path() / "out.partial");
    }
  }
}

TEST(Ranks, PruneContinuesWhatOneProcessBegan) {
  const TempFolder folder;
  const fs::path out = folder.path() / "out";
  const Args more = {"--iterations", "2", "--select", "path:GL", "--threads", "1"};
  ASSERT_EQ(run(prune_args(out, more)).exit, 0);
  Args resume = prune_args(out, more);
  resume.push_back("--resume");
  EXPECT_THAT(run_ranks(2, resume).err, HasSubstr("the run is complete"));
}

TEST(Ranks, EvaluationGivesTheFiguresOfOneProcess) {
  const TempFolder folder;
  const std::string few = (folder.path() / "few.txt").string();
  write_file(few, read_file(demo_evaluation()).substr(0, 6000));
  const Args text = {"eval",        demo_model().string(), "--text", few,     "--protocol",
                     "windows:128", "--threads",           "1",      "--json"};
  const Json one = run(text).json(), two = run_ranks(2, text).json();
  EXPECT_EQ(two["scored_tokens"], one["scored_tokens"]);
  EXPECT_NEAR(two["nll"].get<double>(), one["nll"].get<double>(), 1e-6);
  const fs::path data = fs::path(MOP_SOURCE_DIR) / "tests/golden/tasks/data";
  const Args tasks = {
      "eval", demo_model().string(), "--tasks", "piqa",  "--data", data.string(), "--limit",
      "9",    "--threads",           "1",       "--json"};
  const Json alone = run(tasks).json()["results"], four = run_ranks(4, tasks).json()["results"];
  EXPECT_EQ(four["piqa"]["acc,none"], alone["piqa"]["acc,none"]);
  EXPECT_EQ(four["piqa"]["acc_norm,none"], alone["piqa"]["acc_norm,none"]);
}

TEST(Ranks, EndWithOneErrorWhenOneOfThemIsKilled) {
  const TempFolder folder;
  auto ranks = start_ranks(2,
                           prune_args(folder.path() / "out", {"--iterations", "9", "--select",
                                                              "path:G", "--threads", "1"}),
                           2);
  const fs::path work = folder.path() / "out.partial";
  while (!fs::exists(work / "run/steps/01/plan.json") && ranks[0]->running()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ranks[1]->send(SIGKILL);
  const Ran first = ranks[0]->wait();
  ranks[1]->wait();
  EXPECT_EQ(first.exit, 1);
  EXPECT_THAT(first.err, HasSubstr("error: another process of this job ended or does not answer"));
  EXPECT_THAT(first.err, HasSubstr("--resume continues"));
}

TEST(Ranks, StopWhenAskedToWhileTheyWaitForEachOther) {
  const TempFolder folder;
  auto ranks = start_ranks(2, score_args(folder.path() / "out", "2"), 1);
  std::this_thread::sleep_for(std::chrono::seconds(1));
  ranks[0]->send(SIGTERM);
  const Ran ran = ranks[0]->wait();
  EXPECT_EQ(ran.exit, 143) << ran.err;
}

TEST(Ranks, WithoutAMeetingPlaceAreRefused) {
  ::setenv("WORLD_SIZE", "2", 1);
  const Ran ran = run(score_args("/dev/null", "2"));
  ::unsetenv("WORLD_SIZE");
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("the environment variable RANK is not set, WORLD_SIZE is"));
}

}  // namespace
}  // namespace mop::testing
