// Zero-shot tasks against lm_eval on our own records, remade by tools/golden/tasks.py.
#include <gtest/gtest.h>

#include "base/json.h"
#include "eval/tasks/evaluate_tasks.h"
#include "kit/random_model.h"

namespace mop {
namespace {

namespace fs = std::filesystem;

fs::path folder() { return fs::path(MOP_SOURCE_DIR) / "tests/golden/tasks"; }

struct Golden {
  Golden()
      : json(read_json(folder() / "expected.json")),
        weights(Model::open(testing::demo_model()), Compute{}),
        tokenizer(open_tokenizer(testing::demo_model())) {}

  TaskResult run(const Json& expected) {
    TaskOptions options{.data = folder() / "data",
                        .bos = parse_bos_rule(expected["bos"].get<std::string>()),
                        .fewshot = expected["fewshot"]};
    const std::vector<std::string> names = {expected["task"]};
    return evaluate_tasks(weights,
                          read_tasks(*tokenizer, weights.model().config().context, names, options))
        .at(0);
  }

  Json json;
  WeightLoader weights;
  std::shared_ptr<const Tokenizer> tokenizer;
};

void expect_items(const Json& expected, const TaskResult& result) {
  const Json& sums = expected["loglikelihoods"];
  ASSERT_EQ(result.samples.size(), sums.size());
  for (size_t i = 0; i < sums.size(); ++i) {
    SCOPED_TRACE(fmt::format("record {}", i + 1));
    const auto& answers = result.samples[i].answers;
    ASSERT_EQ(answers.size(), sums[i].size());
    for (size_t r = 0; r < answers.size(); ++r) {
      EXPECT_NEAR(answers[r].sum, sums[i][r].get<double>(), 1e-3);
      if (result.task->kind != TaskKind::kRolling) {
        EXPECT_EQ(answers[r].greedy, expected["greedy"][i][r] == 1);
      }
    }
  }
}

double tolerance(const std::string& metric, double value) {
  return metric.starts_with("acc") ? 1e-12 : 1e-4 * value;
}

void expect_figures(const Json& expected, const TaskResult& result) {
  for (const auto& [metric, figure] : result.figures) {
    SCOPED_TRACE(metric);
    const double value = expected["metrics"][metric + ",none"];
    EXPECT_NEAR(figure.value, value, tolerance(metric, value));
    const Json& error = expected["metrics"][metric + "_stderr,none"];
    ASSERT_EQ(figure.stderr_.has_value(), error.is_number());
    if (figure.stderr_) {
      EXPECT_NEAR(*figure.stderr_, error.get<double>(), tolerance(metric, error.get<double>()));
    }
  }
}

TEST(TasksGolden, EveryItemAndFigureEqualsLmEval) {
  Golden golden;
  size_t checked = 0;
  for (const Json& expected : golden.json["cases"]) {
    SCOPED_TRACE(fmt::format("{} bos={} fewshot={}", expected["task"].get<std::string>(),
                             expected["bos"].get<std::string>(),
                             expected["fewshot"].get<int64_t>()));
    const TaskResult result = golden.run(expected);
    expect_items(expected, result);
    expect_figures(expected, result);
    ++checked;
  }
  EXPECT_EQ(checked, 20u);
}

}  // namespace
}  // namespace mop
