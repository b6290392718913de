// tests/unit/jobs/step_scores_test.cc -- scores that a step measures on first use.
#include "jobs/step_scores.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kit/random_model.h"

namespace mop::testing {
namespace {

// A branch that was added at run time may ask for criteria that it did not declare.
TEST(StepScores, UndeclaredCriteriaLeaveThoseOfBeforeWhereTheyAre) {
  TempFolder folder;
  write_random_model(folder.path());
  const Model model = Model::open(folder.path());
  TokenSamples samples;
  samples.ids = {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10}};
  const MeasureSetup setup{.samples = samples,
                           .compute = {},
                           .criteria = {},
                           .settings = {},
                           .progress = silent_progress(),
                           .scratch = folder.path()};
  StepMeasures kept;
  RunMeasure measure(setup, model, kept);
  measure.scores("amp-neurons");
  measure.scores("wanda-sp-neurons");
  ASSERT_TRUE(kept.scores.contains("amp-neurons")) << "a caller may hold a reference to it";
  EXPECT_EQ(&measure.scores("amp-neurons"), &kept.scores.at("amp-neurons"));
  EXPECT_EQ(kept.scores.size(), 2u);
  // The step's file has what both read.
  EXPECT_TRUE(kept.stats[0].has(Stat::kNeuronSquare));
  EXPECT_EQ(kept.stats[0].sums().size(), 2u);
}

}  // namespace
}  // namespace mop::testing
