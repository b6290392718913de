// device/training_test.cc -- training on a device has the losses of the CPU.
#include "device/jobs.h"
#include "jobs/prune.h"
#include "jobs/recover.h"

namespace mop::testing {
namespace {

class Training : public OnDevice {
 protected:
  Training() { small_model(folder_.path()); }

  Json recipe(const std::string& device, const std::string& method) const {
    return {{"model", (folder_.path() / "model").string()},
            {"method", method},
            {"tokens", 700},
            {"accumulate", 4},
            {"data", {{"file", demo_calibration().string()}, {"max_tokens", 40}}},
            {"validation", {{"samples", 3}}},
            {"compute", {{"device", device}, {"dtype", "float32"}}}};
  }

  // The same recipe on both: equal losses, gradient norms and validations.
  void expect_same_training(const std::string& method, const Json& more = Json::object()) {
    for (const std::string device : {"cpu", "opaque"}) {
      Json json = recipe(device, method);
      json.merge_patch(more);
      results_[device] = recover(recover_recipe(json), {folder_.path() / device, IfThere::kRefuse},
                                 silent_progress());
    }
    compare();
  }

  void compare() {
    const auto cpu = training_steps(folder_.path() / "cpu");
    const auto device = training_steps(folder_.path() / "opaque");
    ASSERT_EQ(device.size(), cpu.size());
    ASSERT_GE(cpu.size(), 4u);
    for (size_t i = 0; i < cpu.size(); ++i) {
      expect_close(device[i]["loss"].get<double>(), cpu[i]["loss"].get<double>(), 1e-5);
      expect_close(device[i]["gradient_norm"].get<double>(), cpu[i]["gradient_norm"].get<double>(),
                   1e-4);
    }
    expect_close_json(results_["opaque"]["outcome"], results_["cpu"]["outcome"]);
  }

  std::map<std::string, Json> results_;
};

TEST_F(Training, LowRankWithDropout) { expect_same_training("lora"); }

TEST_F(Training, LowRankWithoutDropout) {
  expect_same_training("lora", {{"lora", {{"dropout", 0}}}});
}

TEST_F(Training, ActivationsComputedAgainAreTheSame) {
  expect_same_training("lora", {{"memory", {{"activation_gib", 0.0001}}}});
}

TEST_F(Training, AllWeights) { expect_same_training("full"); }

TEST_F(Training, TowardsATeacher) {
  expect_same_training("distil",
                       {{"teacher", demo_model().string()}, {"distil", {{"hidden", 0.5}}}});
}

TEST_F(Training, AllWeightsTowardsATeacher) {
  expect_same_training("distil",
                       {{"teacher", demo_model().string()}, {"distil", {{"trains", "full"}}}});
}

TEST_F(Training, FromRandomWeights) {
  for (const std::string device : {"cpu", "opaque"}) {
    Json json = recipe(device, "full");
    json.erase("model");
    const TrainJob job{folder_.path() / "config.json", demo_model(), train_recipe(json)};
    results_[device] = train(job, {folder_.path() / device, IfThere::kRefuse}, silent_progress());
  }
  compare();
}

}  // namespace
}  // namespace mop::testing
