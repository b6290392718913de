// Several processes share the work: the same figures, one writer, and an end when one of them ends.
#include "e2e/ranks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <sstream>

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

// Each job with one thing that is another on rank 1: both say which, and no number is printed.
TEST(Ranks, WithDifferentInputsAreRefusedByEveryJob) {
  const TempFolder folder;
  const auto file = [&](const std::string& name) { return (folder.path() / name).string(); };
  const std::string text = read_file(demo_calibration());
  for (const int rank : {0, 1}) {
    const std::string number = std::to_string(rank);
    write_file(file("text" + number + ".txt"), text.substr(static_cast<size_t>(rank) * 3000, 2000));
    fs::create_directories(file("tasks" + number));
    std::istringstream records(
        read_file(fs::path(MOP_SOURCE_DIR) / "tests/golden/tasks/data/piqa-validation.jsonl"));
    std::string kept;
    for (std::string line; std::getline(records, line);) {
      if (kept.empty() || rank == 0) kept += line + "\n";
    }
    write_file(fs::path(file("tasks" + number)) / "piqa-validation.jsonl", kept);
  }
  fs::copy(demo_model(), file("model"), fs::copy_options::recursive);
  Json config = read_json(fs::path(file("model")) / "config.json");
  config["rms_norm_eps"] = 1e-6;
  write_file(fs::path(file("model")) / "config.json", config.dump());

  struct Case {
    std::string differs;
    std::function<Args(const std::string& rank)> args;
  };
  const std::string demo = demo_model().string();
  const std::vector<Case> cases = {
      {"text.sha256",
       [&](const std::string& rank) {
         return Args{"eval", demo, "--text", file("text" + rank + ".txt"), "--protocol", "windows:64"};
       }},
      {"eval.protocol",
       [&](const std::string& rank) {
         return Args{"eval", demo, "--text", file("text0.txt"), "--protocol", "windows:6" + rank};
       }},
      {"model.fingerprint",
       [&](const std::string& rank) {
         return Args{"eval", rank == "0" ? demo : file("model"), "--text", file("text0.txt"),
                     "--protocol", "windows:64"};
       }},
      {"versus",
       [&](const std::string& rank) {
         return Args{"eval", demo, "--vs", rank == "0" ? demo : file("model"), "--text",
                     file("text0.txt"), "--protocol", "windows:64"};
       }},
      {"data.piqa-validation",
       [&](const std::string& rank) {
         return Args{"eval", demo, "--tasks", "piqa", "--data", file("tasks" + rank)};
       }},
      {"calibration.sha256",
       [&](const std::string& rank) {
         return Args{"score",         demo,
                     "--criterion",   "amp-heads",
                     "--calibration", file("text" + rank + ".txt"),
                     "--out",         file("out"),
                     "--samples",     "4"};
       }},
      {"recipe.seed",
       [&](const std::string& rank) {
         return prune_args(file("out"), {"--remove", "0.2", "--seed", rank});
       }},
      {"calibration.sha256",
       [&](const std::string& rank) {
         return prune_args(file("out"), {"--remove", "0.2", "--calibration", file("text" + rank + ".txt")});
       }},
      {"data.sha256",
       [&](const std::string& rank) {
         return Args{"recover", demo, "--data", file("text" + rank + ".txt"), "--out", file("out"),
                     "--tokens", "100", "--max-tokens", "32"};
       }},
      {"data.sha256", [&](const std::string& rank) {
         Args args = {"train", "--config",     demo,  "--tokenizer", demo,     "--data",
                      file("text" + rank + ".txt"), "--out", file("out"),   "--tokens", "100",
                      "--max-tokens", "32"};
         return args;
       }}};
  for (const Case& c : cases) {
    const auto ranks = start_ranks(2, std::vector<Args>{c.args("0"), c.args("1")});
    const std::string what = c.args("0")[0] + " " + c.differs;
    for (const auto& rank : ranks) {
      const Ran ran = rank->wait();
      EXPECT_EQ(ran.exit, 1) << what << "\n" << ran.err;
      EXPECT_EQ(ran.out, "") << what;
      EXPECT_THAT(ran.err, HasSubstr("error: the ranks of this job do not read the same")) << what;
      EXPECT_THAT(ran.err, HasSubstr("  " + c.differs + ": ")) << what;
      EXPECT_THAT(ran.err, HasSubstr(" on rank 1")) << what;
    }
    EXPECT_FALSE(fs::exists(file("out"))) << what;
    fs::remove_all(file("out.partial"));
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
