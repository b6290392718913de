// device/verbs_test.cc -- every job computes on a device what it computes on the CPU.
#include <cmath>

#include "criteria/registry.h"
#include "device/jobs.h"
#include "jobs/bench.h"
#include "jobs/eval_tasks.h"
#include "jobs/eval_text.h"
#include "jobs/prune.h"
#include "recipe/recipe.h"
#include "stats/layer_stats.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

class Verbs : public OnDevice {};

TokenSamples token_samples(std::vector<int64_t> lengths, int64_t vocabulary) {
  TokenSamples samples;
  int64_t id = 1;
  for (const int64_t length : lengths) {
    samples.ids.emplace_back();
    for (int64_t t = 0; t < length; ++t) {
      samples.ids.back().push_back(id = (7 * id + 3 * t + 5) % vocabulary);
    }
  }
  return samples;
}

struct FamilyCase {
  std::string family, extra;
};
const std::vector<FamilyCase> kFamilies = {
    {"llama", R"({"attention_bias": true, "mlp_bias": true})"},
    {"mistral", R"({"sliding_window": 6})"},
    {"qwen2", ""},
    {"qwen3", ""}};

// Gradients by gates are sums of both signs, which cancel: rounding is a larger part of them. What
// is solved with second moments magnifies the rounding of these.
void expect_close_sums(const at::Tensor& device, const at::Tensor& cpu, const std::string& what,
                       bool rounding_grows) {
  if (!rounding_grows) return expect_close(device, cpu, what);
  ASSERT_EQ(device.sizes(), cpu.sizes()) << what;
  const double off = (device - cpu).abs().max().item<double>();
  EXPECT_LE(off, 20 * kClose * cpu.abs().max().item<double>()) << what;
}

TEST_F(Verbs, EveryStatisticIsThatOfTheCpu) {
  std::vector<Stat> stats;
  for (const StatRow& row : all_statistics()) stats.push_back(row.stat);
  for (const FamilyCase& which : kFamilies) {
    write_random_model(folder_.path(), {.family = which.family, .extra = which.extra});
    const Model model = Model::open(folder_.path());
    const TokenSamples samples = token_samples({9, 3, 9, 17, 1, 3}, 96);
    WeightLoader on_cpu(model, cpu_compute()), on_device(model, device_compute());
    const auto expected = collect_stats(on_cpu, samples, stats);
    for (const int64_t chunk : {0, 12}) {
      const auto found = collect_stats(on_device, samples, stats, silent_progress(), chunk);
      for (size_t layer = 0; layer < expected.size(); ++layer) {
        for (const Stat stat : stats) {
          expect_close_sums(found[layer].sums().at(stat), expected[layer].sums().at(stat),
                            which.family + " layer " + std::to_string(layer),
                            stat_row(stat).add_gates != nullptr);
          EXPECT_EQ(found[layer].count(stat), expected[layer].count(stat));
        }
      }
    }
  }
}

TEST_F(Verbs, ScoresOfAllCriteria) {
  ScoreJob job{.model = demo_model(),
               .calibration = demo_calibration(),
               .out = {},
               .criteria = {},
               .samples = {.samples = 12, .max_tokens = 48},
               .compute = in_float32("cpu")};
  for (const Criterion& criterion : all_criteria()) {
    // Differences of nearly equal losses, of which rounding leaves less: below.
    if (!criterion.score_losses) job.criteria.push_back(criterion.name);
  }
  const Scores cpu = score_units(job, silent_progress());
  job.compute = in_float32("opaque");
  const Scores device = score_units(job, silent_progress());
  ASSERT_EQ(device.tensors.size(), cpu.tensors.size());
  for (const auto& [name, scores] : cpu.tensors) {
    const Criterion& criterion = find_criterion(name.substr(0, name.rfind('.')));
    expect_close_sums(device.tensors.at(name), scores, name,
                      need_gradients(criterion.needs) || criterion.score_moments != nullptr);
  }
}

TEST_F(Verbs, ScoresByLossesAreThoseOfTheCpu) {
  ScoreJob job{.model = demo_model(),
               .calibration = demo_calibration(),
               .out = {},
               .criteria = {"mope-heads", "mope-neurons", "ecoflap-layers"},
               .samples = {.samples = 2, .max_tokens = 24},
               .compute = in_float32("cpu")};
  const Scores cpu = score_units(job, silent_progress());
  job.compute = in_float32("opaque");
  const Scores device = score_units(job, silent_progress());
  ASSERT_EQ(device.tensors.size(), cpu.tensors.size());
  for (const auto& [name, scores] : cpu.tensors) {
    const at::Tensor off = (device.tensors.at(name) - scores).abs().max();
    EXPECT_LE(off.item<double>(), 2e-3 * scores.abs().max().item<double>()) << name;
  }
}

Json prune_on(const std::string& device, const std::string& select, const fs::path& out,
              const Json& more = Json::object()) {
  Json recipe = {{"model", demo_model().string()},
                 {"calibration",
                  {{"file", demo_calibration().string()},
                   {"samples", 10},
                   {"sample", "first"},
                   {"max_tokens", 32}}},
                 {"target", {{"iterations", 4}}},
                 {"select", select},
                 {"seed", 3},
                 {"compute", {{"device", device}, {"dtype", "float32"}}}};
  recipe.update(more);
  return prune(recipe_from_json(recipe), {out, IfThere::kRefuse}, silent_progress());
}

TEST_F(Verbs, PruningTakesTheSameStepsToTheSameBytes) {
  for (const std::string select : {"path:LGLG", "random", "perplexity", "kl"}) {
    SCOPED_TRACE(select);
    const fs::path cpu = folder_.path() / (select.substr(0, 4) + ".cpu");
    const fs::path device = folder_.path() / (select.substr(0, 4) + ".opaque");
    const Json expected = prune_on("cpu", select, cpu);
    const Json found = prune_on("opaque", select, device);
    expect_same_model(device, cpu);
    EXPECT_EQ(read_json(device / "run/plan.json")["steps"],
              read_json(cpu / "run/plan.json")["steps"]);
    expect_close_json(found["figures"], expected["figures"]);
  }
}

TEST_F(Verbs, HiddenChannelsGoAsOnTheCpu) {
  const Json more = {{"branches", {"hidden", "width"}}, {"hidden", {{"channel_multiple", 4}}}};
  for (const std::string select : {"path:CCGC", "kl"}) {
    SCOPED_TRACE(select);
    const fs::path cpu = folder_.path() / (select.substr(0, 4) + ".cpu");
    const fs::path device = folder_.path() / (select.substr(0, 4) + ".opaque");
    const Json expected = prune_on("cpu", select, cpu, more);
    const Json found = prune_on("opaque", select, device, more);
    expect_same_model(device, cpu);
    expect_close_json(found["figures"], expected["figures"]);
  }
  const auto at = [&](const char* device) {
    return Model::open(folder_.path() / (std::string("path.") + device));
  };
  ASSERT_LT(at("cpu").config().hidden, 192);
}

TEST_F(Verbs, PerplexityAlsoBesideAnotherModel) {
  prune_on("cpu", "path:LG", folder_.path() / "pruned");
  for (const std::string protocol : {"lines", "windows:64"}) {
    for (const bool versus : {false, true}) {
      EvalTextJob job{.model = folder_.path() / "pruned",
                      .text = folder_.path() / "text.txt",
                      .adapter = {},
                      .protocol = protocol,
                      .versus = versus ? demo_model() : fs::path(),
                      .calibration = {},
                      .compute = in_float32("cpu")};
      write_file(job.text, read_file(demo_evaluation()).substr(0, 1500));
      const Json cpu = evaluate(job, silent_progress());
      job.compute = in_float32("opaque");
      expect_close_json(evaluate(job, silent_progress()), cpu, {"seconds"});
    }
  }
}

TEST_F(Verbs, ZeroShotTasksAlsoBesideAnotherModel) {
  prune_on("cpu", "path:LG", folder_.path() / "pruned");
  EvalTasksJob job{.model = folder_.path() / "pruned",
                   .adapter = {},
                   .data = fs::path(MOP_SOURCE_DIR) / "tests/golden/tasks/data",
                   .tokenizer = {},
                   .tasks = {"arc_easy", "boolq", "hellaswag", "piqa", "winogrande"},
                   .limit = 3,
                   .out = {},
                   .versus = demo_model(),
                   .calibration = {},
                   .compute = in_float32("cpu")};
  const Json cpu = eval_tasks(job, silent_progress());
  job.compute = in_float32("opaque");
  const Json device = eval_tasks(job, silent_progress());
  expect_close_json(device["results"], cpu["results"]);
  expect_close_json(device["mop"]["versus"]["results"], cpu["mop"]["versus"]["results"]);
}

TEST_F(Verbs, GreedyTextIsTheSame) {
  GenerateJob job{.model = demo_model(),
                  .adapter = {},
                  .prompt = "Once upon a time",
                  .system = {},
                  .messages = {},
                  .max_new_tokens = 24,
                  .compute = in_float32("cpu"),
                  .on_text = {}};
  const Json cpu = generate_text(job);
  job.compute = in_float32("opaque");
  const Json device = generate_text(job);
  EXPECT_EQ(device["ids"], cpu["ids"]);
  EXPECT_EQ(device["text"], cpu["text"]);
}

TEST_F(Verbs, DrawnTextIsTheSame) {
  GenerateJob job{.model = demo_model(),
                  .adapter = {},
                  .prompt = "The dog",
                  .system = {},
                  .messages = {},
                  .max_new_tokens = 12,
                  .temperature = 0.8,
                  .seed = 5,
                  .compute = in_float32("cpu"),
                  .on_text = {}};
  const Json cpu = generate_text(job);
  job.compute = in_float32("opaque");
  EXPECT_EQ(generate_text(job)["ids"], cpu["ids"]);
}

TEST_F(Verbs, BenchRuns) {
  const BenchJob job{.model = demo_model(),
                     .versus = {},
                     .options = {.prompt_tokens = 4, .new_tokens = 3, .batch = 2, .repeats = 1},
                     .compute = in_float32("opaque")};
  const Json result = bench(job, silent_progress());
  EXPECT_EQ(result["device"], "opaque:0");
  EXPECT_GT(result["models"][0]["token_seconds"]["median"].get<double>(), 0);
}

TEST_F(Verbs, TheDtypeOfADeviceIsBfloat16) {
  EXPECT_EQ(open_compute("opaque", "").dtype, at::kBFloat16);
  GenerateJob job{.model = demo_model(),
                  .adapter = {},
                  .prompt = "Once upon a time",
                  .system = {},
                  .messages = {},
                  .max_new_tokens = 4,
                  .compute = {"opaque", ""},
                  .on_text = {}};
  EXPECT_EQ(generate_text(job)["new_tokens"], 4);
}

}  // namespace
}  // namespace mop::testing
