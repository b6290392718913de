// tests/e2e/training.h -- short training runs of the built program, and what they write down.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "e2e/program.h"

namespace mop::testing {

/// Training of a model of two layers from random weights; its config is written into `folder`.
inline Args scratch_args(const fs::path& folder, const fs::path& out, const Args& more) {
  const fs::path config = folder / "config.json";
  Json json = read_json(demo_model() / "config.json");
  json["num_hidden_layers"] = 2;
  write_file(config, to_text(json));
  Args args = {"train",
               "--config",
               config.string(),
               "--tokenizer",
               demo_model().string(),
               "--data",
               demo_calibration().string(),
               "--out",
               out.string(),
               "--tokens",
               "1500",
               "--max-tokens",
               "48",
               "--set",
               "accumulate=4"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

/// The lines of a run's metrics.jsonl.
inline std::vector<Json> metrics(const fs::path& out) {
  std::vector<Json> lines;
  std::istringstream text(read_file(out / "run/metrics.jsonl"));
  for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
  return lines;
}

/// Those of steps alone.
inline std::vector<Json> training_steps(const fs::path& out) {
  std::vector<Json> steps = metrics(out);
  std::erase_if(steps, [](const Json& line) { return !line.contains("loss"); });
  return steps;
}

/// The same steps and the same judgements to the last bit, and the same files.
inline void expect_same_run(const fs::path& a, const fs::path& b) {
  std::vector<Json> left = metrics(a), right = metrics(b);
  for (auto* lines : {&left, &right}) {
    for (Json& line : *lines) line.erase("timing");
  }
  EXPECT_EQ(left, right);
  EXPECT_EQ(read_json(a / "run/metrics.json")["outcome"],
            read_json(b / "run/metrics.json")["outcome"]);
  for (const char* file : {"model.safetensors", "adapter/adapter_model.safetensors"}) {
    ASSERT_EQ(fs::exists(a / file), fs::exists(b / file));
    if (fs::exists(a / file)) {
      EXPECT_TRUE(read_file(a / file) == read_file(b / file)) << file;
    }
  }
}

/// Losses within 1e-5 and gradient norms within 1e-4, relative.
inline void expect_close_steps(const fs::path& a, const fs::path& b) {
  const std::vector<Json> left = training_steps(a), right = training_steps(b);
  ASSERT_EQ(left.size(), right.size());
  ASSERT_GE(left.size(), 5u);
  for (size_t i = 0; i < left.size(); ++i) {
    const double norm = right[i]["gradient_norm"];
    EXPECT_NEAR(left[i]["loss"].get<double>(), right[i]["loss"].get<double>(), 1e-5) << i;
    EXPECT_NEAR(left[i]["gradient_norm"].get<double>(), norm, 1e-4 * norm) << i;
  }
}

/// Waits until the run into `out` has written more than so many lines of metrics, or ended.
inline void wait_for_lines(Process& process, const fs::path& out, int64_t lines) {
  const fs::path file = out.string() + ".partial/run/metrics.jsonl";
  while (process.running()) {
    if (fs::exists(file)) {
      const std::string text = read_file(file);
      if (std::count(text.begin(), text.end(), '\n') > lines) return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace mop::testing
