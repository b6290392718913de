#include "run/device_needs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "kit/configs.h"
#include "model/family.h"
#include "recipe/recover_recipe.h"
#include "tensor/device.h"

namespace mop {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
constexpr int64_t kMB = 1000000;
const c10::Device kOther(c10::kPrivateUse1, 0);

// 4 layers of width 8: 2 heads of 4, 1 KV head, MLP 16; 10 tokens. A layer has 8*8 + 2*8*4 + 8*8
// attention weights, 3*8*16 of the MLP and 2*8 of the norms: 592.
ModelConfig tiny() { return testing::make_config({4, 8, 2, 1, 4, 16, 10}); }
constexpr int64_t kLayer = 592;
int64_t outside() { return total_parameters(tiny()) - 4 * kLayer; }

TEST(DeviceNeeds, TheTinyModelIsWhatItsCommentSays) {
  EXPECT_EQ(block_parameters(tiny()), 4 * kLayer);
  // Embedding, head and the last norm.
  EXPECT_EQ(outside(), 2 * 80 + 8);
}

TEST(DeviceNeeds, WeightsStayWholeOrStreamThreeLayersAtATime) {
  const DeviceNeeds needs = decoding_device_needs(tiny(), at::kBFloat16, 1, 1);
  EXPECT_EQ(needs.weights, (4 * kLayer + 168) * 2);
  EXPECT_EQ(needs.least_weights, (3 * kLayer + 168) * 2);
  EXPECT_EQ(decoding_device_needs(tiny(), at::kFloat, 1, 1).weights, (4 * kLayer + 168) * 4);
}

TEST(DeviceNeeds, DecodingKeepsKeysAndValuesOfEverySequence) {
  // 6 tokens: keys and values 4 * 2 * 4 each, hidden states 8, a layer's temporaries
  // (3*2 + 2*1)*4 + 3*16 + 4*8 = 112; logits of 2 sequences in two dtypes.
  const DeviceNeeds needs = decoding_device_needs(tiny(), at::kBFloat16, 2, 3);
  EXPECT_EQ(needs.work, 6 * 32 * 2 + 6 * 8 * 2 + 2 * 10 * (2 + 4) + 6 * 112 * 2);
  EXPECT_EQ(needs.least_work, needs.work);
}

TEST(DeviceNeeds, PruningHoldsSamplesAPieceAndWhatCandidatesGive) {
  // Statistics: 20,000 hidden states, a piece of 16,384 (or 1,024) tokens' temporaries, and two
  // float32 copies of the MLP's 16.
  const DeviceNeeds statistics = pruning_device_needs(tiny(), at::kFloat, 20000, 0, 2);
  EXPECT_EQ(statistics.work, 20000 * 8 * 4 + 16384 * (112 * 4 + 2 * 16 * 4));
  EXPECT_EQ(statistics.least_work, 20000 * 8 * 4 + 1024 * (112 * 4 + 2 * 16 * 4));
  // Validation of 100 tokens: the dense model's results, four sets of hidden states, logits.
  const DeviceNeeds validation = pruning_device_needs(tiny(), at::kFloat, 0, 100, 2);
  EXPECT_EQ(validation.work, 100 * 8 * 4 * (1 + 4) + std::max(100 * 112 * 4, 10 * 100 * 10 * 4));
}

TEST(DeviceNeeds, RepairAndDamageHoldFourStreamsAndTheMomentsOfAHalfLayer) {
  // The MLP's 16: two matrices of 16 x 16 and one of 8 x 16, float32.
  const int64_t moments = 16 * (2 * 16 + 8) * 4;
  const DeviceNeeds needs = second_moment_device_needs(tiny(), at::kFloat, 20000);
  EXPECT_EQ(needs.work, 4 * 20000 * 8 * 4 + moments + 16384 * (112 * 4 + 2 * 16 * 4));
  EXPECT_EQ(needs.least_work, 4 * 20000 * 8 * 4 + moments + 1024 * (112 * 4 + 2 * 16 * 4));
}

TEST(DeviceNeeds, TrainingAllWeightsHoldsSixteenBytesOfEachAndACopy) {
  RecoverRecipe recipe = recover_recipe({{"method", "full"}, {"memory", {{"piece_tokens", 64}}}});
  const DeviceNeeds floats = training_device_needs(recipe, tiny(), at::kFloat, nullptr);
  const DeviceNeeds halves = training_device_needs(recipe, tiny(), at::kBFloat16, nullptr);
  EXPECT_EQ(floats.weights, 0);
  const int64_t parameters = total_parameters(tiny());
  EXPECT_GT(floats.work, 16 * parameters);
  EXPECT_GT(halves.work, 18 * parameters);
  // All layers' activations or one's: 6*8 + 4*8 + 4*4 + 4*16 numbers a token each.
  EXPECT_EQ(floats.work - floats.least_work, 3 * 64 * (48 + 32 + 16 + 64) * 4);
}

TEST(DeviceNeeds, LowRankTrainingKeepsFrozenWeightsAndATeachersToo) {
  const RecoverRecipe lora = recover_recipe({{"method", "lora"}});
  const ModelConfig config = tiny();
  const DeviceNeeds alone = training_device_needs(lora, config, at::kBFloat16, nullptr);
  const DeviceNeeds taught = training_device_needs(lora, config, at::kBFloat16, &config);
  EXPECT_EQ(alone.weights, total_parameters(config) * 2);
  EXPECT_EQ(taught.weights, 2 * alone.weights);
  EXPECT_EQ(taught.work, alone.work);
}

class CheckDeviceMemory : public ::testing::Test {
 protected:
  void SetUp() override { ::unsetenv("MOP_DEVICE_MEMORY"); }
  void TearDown() override { set_device_memory_probe(nullptr); }
  void has(int64_t free, int64_t total) {
    set_device_memory_probe([=](c10::Device) { return DeviceMemory{free, total}; });
  }
  const DeviceNeeds needs_{13500 * kMB, 1200 * kMB, 2000 * kMB, 300 * kMB};
  const Compute compute_{at::kBFloat16, kOther};
};

TEST_F(CheckDeviceMemory, SaysNothingWhereAllFitsOrNobodyKnows) {
  has(20000 * kMB, 24000 * kMB);
  EXPECT_EQ(check_device_memory(needs_, compute_), "");
  set_device_memory_probe(nullptr);
  EXPECT_EQ(check_device_memory(needs_, compute_), "");
  EXPECT_EQ(check_device_memory(needs_, Compute{}), "");
}

TEST_F(CheckDeviceMemory, SaysThatWeightsStream) {
  has(9800 * kMB, 10000 * kMB);
  EXPECT_EQ(check_device_memory(needs_, compute_),
            "weights are streamed: 13.5 GB do not fit into 9.80 GB of the device");
}

TEST_F(CheckDeviceMemory, RefusesWhatDoesNotFitEvenStreaming) {
  has(1400 * kMB, 10000 * kMB);
  try {
    check_device_memory(needs_, compute_);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kIo);
    EXPECT_EQ(e.message(), "this needs about 1.50 GB of the device's memory, but 1.40 GB are free");
    EXPECT_THAT(e.what(), AllOf(HasSubstr("privateuseone:0, 10.0 GB in all"),
                                HasSubstr("13.5 GB in bfloat16, 1.20 GB of them at a time"),
                                HasSubstr("300 MB at least"), HasSubstr("MOP_DEVICE_MEMORY")));
  }
}

TEST(DeviceNeeds, LinesForPeopleNameBothFiguresOfEveryJob) {
  const Json json = device_memory_json(tiny());
  const auto lines = device_memory_lines(json);
  ASSERT_EQ(lines.size(), 2);
  EXPECT_EQ(lines[0].first, "GPU, bfloat16");
  EXPECT_THAT(lines[0].second, AllOf(HasSubstr(" to prune"), HasSubstr(" for LoRA")));
  EXPECT_EQ(json["float32"]["lora"]["weights_bytes"], total_parameters(tiny()) * 4);
  const RecoverRecipe lora = recover_recipe({{"method", "lora"}});
  EXPECT_EQ(json["bfloat16"]["lora"]["streaming_bytes"],
            training_device_needs(lora, tiny(), at::kBFloat16, nullptr).streaming());
}

}  // namespace
}  // namespace mop
