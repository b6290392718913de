// Memory that runs out in the middle of a training: what was trained is saved, and goes on.
#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>

#include <new>

#include "base/error.h"
#include "collectives/collectives.h"
#include "kit/random_model.h"
#include "recovery/methods.h"
#include "recovery/trainer.h"
#include "unit/recovery/texts.h"

namespace mop {
namespace {

using ::testing::HasSubstr;
using testing::TempFolder;

class TrainerMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_random_model(model_.path(), {.layers = 1, .vocab = 2048});
  }

  // Trains, or goes on with what `state` holds; gives the values it ends with.
  at::Tensor train(const std::filesystem::path& state, TrainerHooks hooks) {
    const Model model = Model::open(model_.path());
    const Compute compute;
    Parameters parameters(lora_parameters(model, {}, 0), compute);
    TrainingPass pass(model, compute, parameters, {.dropout = 0.1});
    TrainingBatches batches(texts(0, 12), {});
    const TrainingData held_out = texts(100, 4);
    TrainOptions options;
    options.accumulate = 2;
    options.epochs = 1;
    options.validate_every = 2;
    Trainer trainer(pass, parameters, batches, &held_out, options, one_rank(), silent_progress());
    hooks.state = state;
    std::filesystem::create_directories(state);
    trainer.restore(state);
    first_step_ = trainer.steps_done();
    trainer.run(hooks);
    return parameters.values_P().clone();
  }

  void expect_goes_on_after(const TrainerHooks& failing, int64_t steps, const std::string& text) {
    const at::Tensor whole_P = train(folder_.path() / "whole", {});
    const auto state = folder_.path() / "state";
    try {
      train(state, failing);
      FAIL() << "nothing failed";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kIo);
      EXPECT_THAT(e.what(), HasSubstr(text));
      EXPECT_THAT(e.what(), HasSubstr("while: "));
      EXPECT_THAT(e.what(), HasSubstr("memory.piece_tokens"));
    }
    const at::Tensor resumed_P = train(state, {});
    EXPECT_EQ(first_step_, steps);
    EXPECT_TRUE(at::equal(resumed_P, whole_P));
  }

  TempFolder model_, folder_;
  int64_t first_step_ = -1;
};

[[noreturn]] void fail_as_a_device() {
  throw c10::OutOfMemoryError({"f", "f.cpp", 1}, "CUDA out of memory. Tried to allocate 1.00 GiB.");
}

TEST_F(TrainerMemory, TheDevicesMemoryRunsOutBetweenSteps) {
  TrainerHooks hooks;
  hooks.on_step = [](const StepReport& report) {
    if (report.step == 3) fail_as_a_device();
  };
  expect_goes_on_after(hooks, 3, "the device ran out of memory");
}

TEST_F(TrainerMemory, TheDevicesMemoryRunsOutInAValidation) {
  TrainerHooks hooks;
  hooks.on_validation = [](const ValidationReport& report) {
    if (report.step == 4) fail_as_a_device();
  };
  expect_goes_on_after(hooks, 4, "the device ran out of memory");
}

TEST_F(TrainerMemory, TheHostsMemoryRunsOut) {
  TrainerHooks hooks;
  hooks.on_step = [](const StepReport& report) {
    if (report.step == 5) throw std::bad_alloc();
  };
  expect_goes_on_after(hooks, 5, "out of memory: the machine has none left");
}

TEST_F(TrainerMemory, ADeviceThatFailedSavesNothing) {
  TrainerHooks hooks;
  hooks.on_step = [](const StepReport& report) {
    if (report.step == 3) TORCH_CHECK(false, "CUDA error: an illegal memory access");
  };
  const auto state = folder_.path() / "state";
  try {
    train(state, hooks);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("the device failed: CUDA error: an illegal memory access"));
  }
  train(state, {});
  EXPECT_EQ(first_step_, 0);
}

}  // namespace
}  // namespace mop
