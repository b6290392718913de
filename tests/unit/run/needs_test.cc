#include "run/needs.h"

#include <gtest/gtest.h>

#include "kit/configs.h"
#include "model/family.h"

namespace mop {
namespace {

constexpr int64_t kMiB = 1 << 20, kGiB = 1 << 30;

// The 1.1B that bench/ measures: 25,231,360 numbers in its low-rank additions.
ModelConfig large() { return testing::make_config({22, 2048, 32, 4, 64, 5632, 32000}); }

RecoverRecipe recipe(const Json& json) { return recover_recipe(json); }

TEST(TrainingNeeds, HoldWhatWasMeasuredOnThe1B) {
  const ModelConfig config = large();
  const int64_t checkpoint = total_parameters(config) * 2;
  const Needs needs = training_needs(recipe({{"method", "lora"}}), config,
                                     {at::kBFloat16, at::kCPU}, checkpoint, nullptr);
  // Measured: 2.8 GiB of anonymous memory.
  EXPECT_GT(needs.memory_bytes, int64_t{2800} * kMiB);
  EXPECT_LT(needs.memory_bytes, 5 * kGiB);
  EXPECT_EQ(needs.disk_bytes, 25231360 * 4 * 5 + checkpoint);
}

TEST(TrainingNeeds, GrowWithWhatIsTrainedAndWithATeacher) {
  const ModelConfig config = testing::tinystories_12l();
  const int64_t parameters = total_parameters(config), checkpoint = parameters * 4;
  const auto needs = [&](const Json& json, bool taught) {
    return training_needs(recipe(json), config, Compute{}, checkpoint, taught ? &config : nullptr);
  };
  const Json lora = {{"method", "lora"}, {"lora", {{"rank", 1}}}}, full = {{"method", "full"}};
  EXPECT_GT(needs(full, false).memory_bytes, needs(lora, false).memory_bytes + 10 * parameters);
  EXPECT_EQ(needs(full, false).disk_bytes, parameters * 16 + checkpoint);
  EXPECT_EQ(needs(lora, true).memory_bytes, needs(lora, false).memory_bytes + 4 * parameters);
  Json small = lora;
  small["memory"] = {{"piece_tokens", 64}};
  EXPECT_LT(needs(small, false).memory_bytes, needs(lora, false).memory_bytes);
}

TEST(CurveNeeds, CountTheHiddenStatesOfAllLayersAsDiskAndOneHalfLayersMomentsAsMemory) {
  const ModelConfig config = testing::llama2_7b();
  const Needs needs = curve_needs(config, {at::kBFloat16, at::kCPU}, 128 * 2048);
  EXPECT_EQ(needs.disk_bytes, int64_t{33} * 128 * 2048 * 4096 * 2);
  const int64_t gram = int64_t{11008} * 11008 * 4;
  EXPECT_GT(needs.memory_bytes, 6 * gram);
  EXPECT_LT(needs.memory_bytes, 14 * gram);
}

}  // namespace
}  // namespace mop
