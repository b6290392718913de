// Figures by hand, and Python's random numbers.
#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "eval/tasks/metrics.h"
#include "eval/tasks/python_random.h"

namespace mop {
namespace {

using ::testing::ElementsAre;

TEST(PythonRandom, GivesTheNumbersOfPython) {
  EXPECT_EQ(PythonRandom(0).uniform(), 0.8444218515250481);
  PythonRandom random(99);
  EXPECT_EQ(random.uniform(), 0.40397807494366633);
  EXPECT_EQ(random.uniform(), 0.20007544457494542);
  EXPECT_EQ(random.uniform(), 0.17880232058661227);
}

TEST(PythonRandom, DrawsWhatPythonDraws) {
  EXPECT_THAT(PythonRandom(1234).sample(8, 3), ElementsAre(7, 0, 6));
  EXPECT_THAT(PythonRandom(1234).sample(1000, 3), ElementsAre(989, 796, 451));
  EXPECT_THAT(PythonRandom(7).sample(50, 8), ElementsAre(20, 9, 25, 41, 3, 4, 34, 6));
}

TEST(TaskMetrics, AccuracyTakesTheBestSumAndItsNormTheBestPerCharacter) {
  const Task& task = find_task("piqa");
  TaskItem item;
  item.gold = 1;
  item.choice_chars = {2, 10};
  const auto values = judge(task, item, {{-4., false}, {-5., false}});
  EXPECT_EQ(values[0].value, 0.);  // -4 > -5
  EXPECT_EQ(values[1].value, 1.);  // -0.5 > -2
}

TEST(TaskMetrics, TheFirstOfEqualChoicesAnswers) {
  TaskItem item;
  item.gold = 0;
  item.choice_chars = {3, 3};
  EXPECT_EQ(judge(find_task("boolq"), item, {{-1., false}, {-1., false}})[0].value, 1.);
}

TEST(TaskMetrics, MeanAndItsStandardError) {
  const Figure figure = aggregate("acc", {{1.}, {0.}, {0.}, {1.}});
  EXPECT_EQ(figure.value, 0.5);
  EXPECT_NEAR(*figure.stderr_, std::sqrt((4 * 0.25 / 3) / 4), 1e-12);
  EXPECT_FALSE(aggregate("acc", {{1.}}).stderr_);
}

TEST(TaskMetrics, DocumentPerplexitiesWeighByWordsAndBytes) {
  const std::vector<MetricValue> values = {{-6., 2.}, {-2., 6.}};
  EXPECT_NEAR(aggregate("word_perplexity", values).value, std::exp(1.), 1e-12);
  EXPECT_NEAR(aggregate("bits_per_byte", values).value, 1. / std::log(2.), 1e-12);
  EXPECT_FALSE(aggregate("byte_perplexity", values).stderr_);
}

TEST(TaskMetrics, LambadaCountsGreedyAnswers) {
  const auto values = judge(find_task("lambada_openai"), TaskItem{}, {{-2.5, true}});
  EXPECT_EQ(values[0].value, -2.5);
  EXPECT_EQ(values[1].value, 1.);
  EXPECT_NEAR(aggregate("perplexity", {{-2.}, {-4.}}).value, std::exp(3.), 1e-12);
}

// Said yes three times, rightly twice; yes was right four times of six.
TEST(TaskMetrics, PrecisionAndRecallAreOfTheFirstChoice) {
  const Task& task = find_task("pope");
  std::map<std::string, std::vector<MetricValue>> values;
  for (const auto& [said, gold] :
       std::vector<std::pair<int, int>>{{0, 0}, {0, 0}, {0, 1}, {1, 0}, {1, 0}, {1, 1}}) {
    TaskItem item;
    item.gold = gold;
    item.choice_chars = {3, 2};
    const auto judged = judge(task, item, {{said == 0 ? -1. : -2.}, {said == 0 ? -2. : -1.}});
    for (size_t m = 0; m < judged.size(); ++m) values[task.metrics[m]].push_back(judged[m]);
  }
  EXPECT_DOUBLE_EQ(aggregate("acc", values["acc"]).value, 3. / 6);
  EXPECT_DOUBLE_EQ(aggregate("precision", values["precision"]).value, 2. / 3);
  EXPECT_DOUBLE_EQ(aggregate("recall", values["recall"]).value, 2. / 4);
  EXPECT_DOUBLE_EQ(aggregate("f1", values["f1"]).value, 2 * (2. / 3) * 0.5 / (2. / 3 + 0.5));
  EXPECT_DOUBLE_EQ(aggregate("yes_rate", values["yes_rate"]).value, 3. / 6);
  EXPECT_FALSE(aggregate("f1", values["f1"]).stderr_);
  EXPECT_FALSE(higher_is_better("yes_rate"));
}

TEST(TaskMetrics, PrecisionOfNothingSaidIsZero) {
  EXPECT_EQ(aggregate("precision", {{0., 0.}, {0., 0.}}).value, 0);
}

}  // namespace
}  // namespace mop
