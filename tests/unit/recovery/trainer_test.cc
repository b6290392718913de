// The loop, among several ranks: what the other ranks hold is not in any file.
#include "recovery/trainer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "kit/random_model.h"
#include "kit/ranks.h"
#include "recovery/methods.h"
#include "unit/recovery/texts.h"

namespace mop {
namespace {

using testing::TempFolder;

// What one rank ends with.
struct Ended {
  at::Tensor best_P, left_P;
  int64_t best_step = 0, steps = 0;
};

// Few texts at a high rate, again and again: soon all other texts are guessed worse.
Ended train_to_ruin(const Model& model, const std::filesystem::path& state, Collectives& ranks) {
  const Compute compute{.dtype = at::kBFloat16};
  Parameters parameters(all_weights(model), compute);
  TrainingPass pass(model, compute, parameters, {});
  TrainingBatches batches(texts(0, 8), {});
  const TrainingData held_out = texts(100, 8);
  TrainOptions options;
  options.learning_rate = 0.03;
  options.schedule = "constant";
  options.accumulate = 4;
  options.epochs = 8;
  options.validate_every = 1;
  Trainer trainer(pass, parameters, batches, &held_out, options, ranks, silent_progress());
  Ended ended;
  TrainerHooks hooks;
  hooks.state = state;
  hooks.on_validation = [&](const ValidationReport& report) {
    if (report.best) ended.best_P = parameters.values_P().clone();
  };
  const TrainOutcome outcome = trainer.run(hooks);
  ended.left_P = parameters.values_P().clone();
  ended.best_step = outcome.best_step;
  ended.steps = outcome.steps;
  EXPECT_TRUE(at::equal(parameters.leaf(0), parameters.value(0).to(at::kBFloat16)));
  return ended;
}

class TrainerRanks : public ::testing::Test {
 protected:
  void expect_best_everywhere(const std::filesystem::path& state) {
    testing::write_random_model(model_.path(), {.layers = 1, .vocab = 2048});
    const Model model = Model::open(model_.path());
    std::array<Ended, 2> ended;
    const auto errors = testing::as_ranks(2, [&](std::shared_ptr<Collectives> ranks) {
      ended[static_cast<size_t>(ranks->rank())] = train_to_ruin(model, state, *ranks);
    });
    EXPECT_THAT(errors, ::testing::Each(""));
    for (const Ended& rank : ended) {
      ASSERT_GT(rank.best_step, 0)
          << "what they began with was the best: hardly anything is tested";
      ASSERT_LT(rank.best_step, rank.steps) << "the last step was the best: nothing is tested";
      EXPECT_TRUE(at::equal(rank.left_P, rank.best_P));
    }
    EXPECT_TRUE(at::equal(ended[0].left_P, ended[1].left_P));
  }
  TempFolder model_, state_;
};

TEST_F(TrainerRanks, AllEndWithTheBestParametersOfTheRunsFolder) {
  expect_best_everywhere(state_.path());
}

TEST_F(TrainerRanks, AllEndWithTheBestParametersWhereNoFolderKeepsThem) {
  expect_best_everywhere({});
}

}  // namespace
}  // namespace mop
