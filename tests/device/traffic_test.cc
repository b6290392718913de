// device/traffic_test.cc -- what a job may send to a device, fetch from it and start on it. A GPU
// that waits for the host is as slow as the host.
#include <algorithm>
#include <thread>

#include "device/jobs.h"
#include "eval/validation.h"
#include "jobs/recover.h"
#include "model/family.h"
#include "model/forward.h"
#include "model/generate.h"
#include "stats/layer_stats.h"

namespace mop::testing {
namespace {

// Operations that a layer of the demo model starts where the project has no kernels for the device
// (with two lengths of samples in the statistics pass). On NVIDIA's GPUs kernels stand for several.
constexpr int64_t kForwardOperations = 42, kStatisticsOperations = 60, kDecodingOperations = 42;
// Bytes for the tokens themselves: ids, positions, where sequences begin.
constexpr int64_t kBytesPerToken = 64, kSmallBytes = 64 << 10;

class TrafficOf : public OnDevice {
 protected:
  int64_t layers() const { return model_.num_layers(); }
  // As stored: a conversion happens on the device.
  int64_t weight_bytes() const { return model_.checkpoint().bytes(); }

  int64_t head_bytes() const { return model_.config().vocab * model_.config().hidden * 2; }
  // cos and sin of all positions, and of 1024 at the least, made once.
  int64_t table_bytes() const {
    return std::max<int64_t>(1024, model_.config().context) * 32 * 2 * 4;
  }
  int64_t layer_parameters() const { return block_parameters(model_.config()) / layers(); }

  TokenSamples samples(int64_t count, int64_t length) const {
    TokenSamples result;
    for (int64_t s = 0; s < count; ++s) {
      result.ids.emplace_back();
      for (int64_t t = 0; t < length - s % 2; ++t)
        result.ids.back().push_back((s * 31 + t * 7) % 2000);
    }
    return result;
  }
  Model without_layer(int64_t layer) const {
    std::vector<Layer> layers = model_.layers();
    layers.erase(layers.begin() + layer);
    return model_.with_layers(layers);
  }
  Model narrower(int64_t layer) const {
    std::vector<Layer> layers = model_.layers();
    layers[static_cast<size_t>(layer)].neurons.resize(400);
    return model_.with_layers(layers);
  }

  const Model model_ = Model::open(demo_model());
};

TEST_F(TrafficOf, AStatisticsPassIsItsWeightsAndOneDownload) {
  const std::vector<Stat> stats = {Stat::kHeadOutputL1, Stat::kNeuronInputAbs};
  const TokenSamples calibration = samples(8, 48);
  const int64_t of_tokens = calibration.tokens() * kBytesPerToken + kSmallBytes;
  const Compute compute = device_compute();
  WeightLoader weights(model_, compute);
  const Traffic first = measured([&] { collect_stats(weights, calibration, stats); });
  // The head is not needed, the tables of positions are.
  EXPECT_LE(first.upload_bytes, weight_bytes() - head_bytes() + table_bytes() + of_tokens)
      << first.text();
  EXPECT_EQ(first.downloads, 1) << first.text();
  EXPECT_EQ(first.scalars, 0) << first.text();
  EXPECT_LE(first.pageable_bytes, of_tokens) << first.text();

  WeightLoader again(model_, compute);
  const Traffic second = measured([&] { collect_stats(again, calibration, stats); });
  EXPECT_LE(second.upload_bytes, of_tokens) << second.text();
  EXPECT_LE(second.operations, layers() * kStatisticsOperations) << second.text();
  EXPECT_EQ(second.waits, 0) << second.text();
}

TEST_F(TrafficOf, ASecondValidationUploadsUnderAHundredthOfTheWeights) {
  Validator validator(model_, samples(6, 40), device_compute());
  const Model shorter = without_layer(3), narrow = narrower(5), narrower_still = narrower(8);
  const std::vector<const Model*> first = {&shorter, &narrow}, second = {&narrower_still, &shorter};
  const Traffic before = measured([&] { validator.validate(first); });
  EXPECT_LE(before.upload_bytes, weight_bytes() + table_bytes() + kSmallBytes) << before.text();
  const Traffic traffic = measured([&] { validator.validate(second); });
  EXPECT_LE(traffic.upload_bytes, weight_bytes() / 100) << traffic.text();
  EXPECT_LE(traffic.downloads + traffic.scalars, 2) << traffic.text();
}

TEST_F(TrafficOf, AForwardPassStartsFewOperationsALayer) {
  const Compute compute = device_compute();
  WeightLoader weights(model_, compute);
  const at::Tensor ids_N = at::arange(60, at::kLong);
  const Packing packing{.lengths = {20, 20, 20}};
  run_layers(weights, ids_N, packing);
  const Traffic traffic = measured([&] { run_layers(weights, ids_N, packing); });
  EXPECT_LE(traffic.operations, layers() * kForwardOperations) << traffic.text();
  EXPECT_EQ(traffic.downloads + traffic.scalars + traffic.waits, 0) << traffic.text();
  EXPECT_LE(traffic.upload_bytes, 60 * kBytesPerToken + kSmallBytes) << traffic.text();
}

TEST_F(TrafficOf, ATokenIsAtMostOneUploadAndOneScalar) {
  const Compute compute = device_compute();
  WeightLoader weights(model_, compute, WeightLoader::Keep::kAll);
  const std::vector<int64_t> prompt = {1, 5, 9, 300};
  const auto of_tokens = [&](int64_t count) {
    return measured([&] {
      generate(weights, prompt,
               {.max_new_tokens = count, .stop = {}, .ignore_eos = true, .on_token = {}});
    });
  };
  of_tokens(4);
  const Traffic few = of_tokens(4), many = of_tokens(24);
  EXPECT_LE(many.uploads - few.uploads, 20) << many.text();
  EXPECT_EQ(many.scalars - few.scalars, 20) << many.text();
  EXPECT_EQ(many.downloads - few.downloads, 0) << many.text();
  EXPECT_LE(many.operations - few.operations, 20 * (layers() * kDecodingOperations + 12))
      << many.text();
}

TEST_F(TrafficOf, StreamingHoldsTheBudgetAndTwoLayersMore) {
  const TokenSamples calibration = samples(4, 32);
  const std::vector<Stat> stats = {Stat::kHeadOutputL1, Stat::kNeuronInputAbs};
  const int64_t layer_bytes = 4 * layer_parameters();
  const int64_t embedding_bytes = int64_t{4} * 2048 * 192;
  for (const int64_t budget : {int64_t{0}, 4 * layer_bytes}) {
    Compute compute = device_compute();
    compute.store = std::make_shared<DeviceStore>(compute.device, compute.dtype, budget);
    WeightLoader weights(model_, compute, WeightLoader::Keep::kOne);
    const Traffic traffic = measured([&] {
      const auto found = collect_stats(weights, calibration, stats);
      EXPECT_EQ(found.size(), static_cast<size_t>(layers()));
    });
    // A layer at work, the next ones on their way (stored values beside converted ones), and what
    // the tokens need.
    const int64_t activations = calibration.tokens() * 4 * (12 * 192 + 4 * 512);
    EXPECT_LE(traffic.peak_bytes, budget + embedding_bytes + 4 * layer_bytes + activations)
        << traffic.text();
    EXPECT_LE(traffic.upload_bytes,
              weight_bytes() + kSmallBytes + calibration.tokens() * kBytesPerToken)
        << traffic.text();
  }
}

// What was asked for ahead and is not needed in the end: its copy may still be under way.
TEST_F(TrafficOf, UploadsThatNobodyWaitsForAreHarmless) {
  DeviceStore store(opaque_device(), at::kFloat, 0);
  const auto weight = [](float value) {
    return StoredWeight{
        .owner = std::make_shared<int>(), .name = {}, .elements = 1000, .open = [value] {
          return at::full({1000}, value);
        }};
  };
  EXPECT_EQ(store.wait(store.request(weight(1))).sum().item<float>(), 1000);
  DeviceStore::Handle unused = store.request(weight(2));
  while (store.uploaded_bytes() < 2 * 4000) std::this_thread::yield();
  unused.reset();
}

// Bytes uploaded by training on so many tokens.
int64_t uploads_of_training(const fs::path& model, const fs::path& out, double dropout,
                            int64_t tokens) {
  const Json recipe = {{"model", model.string()},
                       {"method", "lora"},
                       {"tokens", tokens},
                       {"accumulate", 4},
                       {"data", {{"file", demo_calibration().string()}, {"max_tokens", 40}}},
                       {"validation", {{"samples", 0}}},
                       {"lora", {{"dropout", dropout}}},
                       {"compute", {{"device", "opaque"}, {"dtype", "float32"}}}};
  return measured([&] {
           recover(recover_recipe(recipe), {out, IfThere::kReplace}, silent_progress());
         })
      .upload_bytes;
}

TEST_F(TrafficOf, WhatAStepOfTrainingUploadsDoesNotDependOnDropout) {
  const fs::path model = small_model(folder_.path());
  const auto of_steps = [&](double dropout) {
    return uploads_of_training(model, folder_.path() / "out", dropout, 900) -
           uploads_of_training(model, folder_.path() / "out", dropout, 300);
  };
  const int64_t without = of_steps(0), with = of_steps(0.1);
  EXPECT_LE(with, without + without / 100 + 600 * kBytesPerToken);
  EXPECT_LE(without, 600 * 4 * kBytesPerToken);  // the weights stay
}

}  // namespace
}  // namespace mop::testing
