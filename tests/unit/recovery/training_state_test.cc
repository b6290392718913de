#include "recovery/training_state.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "kit/random_model.h"

namespace mop {
namespace {

using testing::TempFolder;

Parameters parameters_of(std::initializer_list<float> values) {
  ParameterSpec spec{"weight"};
  spec.initial = at::tensor(std::vector<float>(values));
  return Parameters({spec}, Compute{});
}

TEST(TrainingState, ComesBackAsItWasSaved) {
  const TempFolder folder;
  Parameters saved = parameters_of({1, 2}), read = parameters_of({0, 0});
  AdamW adamw(saved, {}), other(read, {});
  adamw.mean_P.fill_(0.5);
  TrainingCounters counters;
  counters.step = 7;
  counters.position = {2, 3};
  counters.best_nll = 1.5;
  save_state(folder.path(), counters, saved, adamw);
  const auto found = load_state(folder.path(), read, other);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->step, 7);
  EXPECT_EQ(found->best_nll, 1.5);
  EXPECT_EQ(found->first_nll, std::nullopt);
  EXPECT_EQ(other.steps, 7);
  EXPECT_TRUE(at::equal(read.values_P(), saved.values_P()));
  EXPECT_TRUE(at::equal(other.mean_P, adamw.mean_P));
}

TEST(TrainingState, DamagedCountersAreOneClearError) {
  const TempFolder folder;
  Parameters parameters = parameters_of({1, 2});
  AdamW adamw(parameters, {});
  const at::Tensor values = parameters.values_P();
  for (const char* counters : {"{\"step\":", "{}", "{\"step\": \"seven\"}"}) {
    write_safetensors(folder.path() / "state.safetensors",
                      {{"values", values}, {"mean", values}, {"square", values}},
                      {{"counters", counters}});
    try {
      load_state(folder.path(), parameters, adamw);
      FAIL() << "no error for " << counters;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("counters cannot be read"));
    }
  }
}

}  // namespace
}  // namespace mop
