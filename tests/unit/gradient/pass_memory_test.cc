#include "gradient/pass_memory.h"

#include <gmock/gmock.h>

#include "model/family.h"

namespace mop {
namespace {

// Two layers: 4 heads of 2 that share 2 KV heads, 16 neurons.
ModelConfig small_config() {
  ModelConfig config;
  config.family = &all_families().front();
  config.hidden = 8;
  config.layers = {2, {.heads = 4, .kv_heads = 2, .head_dim = 2, .mlp = 16}};
  return config;
}

TEST(DevicePass, CountsWhatATokenLeavesBehind) {
  const DevicePassBytes bytes = device_pass_bytes(small_config(), at::kBFloat16);
  // Two layers' 4 x hidden, 2 x queries, 2 x keys, 3 x neurons, two bytes each.
  EXPECT_EQ(bytes.kept, 2 * (4 * 8 + 2 * 8 + 2 * 4 + 3 * 16) * 2);
  EXPECT_EQ(bytes.states, 2 * 8 * 2);
  EXPECT_GT(bytes.working, 0);
}

TEST(DevicePass, PiecesAreOfFewSizes) {
  EXPECT_EQ(device_piece_tokens(1023 * 10, 10), 0);
  EXPECT_EQ(device_piece_tokens(1024 * 10, 10), 1024);
  EXPECT_EQ(device_piece_tokens(2047 * 10, 10), 1536);
  EXPECT_EQ(device_piece_tokens(8000 * 10, 10), 6144);
  EXPECT_EQ(device_piece_tokens(int64_t{1} << 40, 10), 16384);
}

TEST(DevicePass, KeepsAllLayersOfThePieceThatItChooses) {
  const ModelConfig config = small_config();
  const DevicePassBytes each = device_pass_bytes(config, at::kFloat);
  const int64_t all = each.kept + each.states + each.working;
  for (const bool for_all : {true, false}) {
    const PassRoom room{.bytes = 3000 * all, .on_device = true, .for_all = for_all};
    const int64_t tokens = device_piece(config, at::kFloat, room, /*streams=*/false);
    EXPECT_GE(tokens, 2048);
    EXPECT_EQ(layers_that_fit(config, at::kFloat, tokens, room), 2);
  }
}

TEST(DevicePass, LeavesRoomForTemporariesBeforeActivations) {
  const ModelConfig config = small_config();
  const DevicePassBytes each = device_pass_bytes(config, at::kFloat);
  PassRoom room{.bytes = 1024 * (each.states + each.working + each.kept / 2),
                .on_device = true,
                .for_all = true};
  EXPECT_EQ(layers_that_fit(config, at::kFloat, 1024, room), 1);
  EXPECT_EQ(device_piece(config, at::kFloat, room, /*streams=*/false), 1024);
  room.bytes = 0;
  EXPECT_EQ(layers_that_fit(config, at::kFloat, 1024, room), 0);
  EXPECT_EQ(device_piece(config, at::kFloat, room, /*streams=*/true), 1024);
}

TEST(DevicePass, ReadsStreamingWeightsForLargePieces) {
  const ModelConfig config = small_config();
  const DevicePassBytes each = device_pass_bytes(config, at::kFloat);
  const PassRoom room{.bytes = 8192 * (each.states + each.working + each.kept / 2),
                      .on_device = true,
                      .for_all = true};
  EXPECT_EQ(device_piece(config, at::kFloat, room, /*streams=*/true), 8192);
  EXPECT_LT(device_piece(config, at::kFloat, room, /*streams=*/false), 8192);
}

}  // namespace
}  // namespace mop
