// Figures by hand, and Python's random numbers.
#include <gmock/gmock.h>

#include <cmath>

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

}  // namespace
}  // namespace mop
