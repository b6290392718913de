// q8_0 blocks equal those of llama.cpp's quantiser (tools/golden/gguf.py), byte for byte.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors.h"
#include "tensor/q8_0.h"

namespace mop {
namespace {

TEST(Q8Golden, BlocksEqualLlamaCpps) {
  const auto golden = SafetensorsFile::open(MOP_SOURCE_DIR "/tests/golden/gguf/q8_0.safetensors");
  const at::Tensor values = golden.tensor("values"), expected = golden.tensor("blocks");
  at::Tensor blocks = at::zeros_like(expected);
  ASSERT_EQ(blocks.nbytes(), q8_0_bytes(values.numel()));
  quantize_q8_0(values.const_data_ptr<float>(), values.numel(),
                static_cast<std::byte*>(blocks.data_ptr()));
  EXPECT_TRUE(at::equal(blocks, expected)) << (blocks != expected).sum().item<int64_t>();
}

TEST(Q8Golden, TheWayBackIsWithinHalfAStep) {
  const auto golden = SafetensorsFile::open(MOP_SOURCE_DIR "/tests/golden/gguf/q8_0.safetensors");
  const at::Tensor values = golden.tensor("values"), blocks = golden.tensor("blocks");
  at::Tensor back = at::zeros_like(values);
  dequantize_q8_0(static_cast<const std::byte*>(blocks.const_data_ptr()), values.numel(),
                  back.mutable_data_ptr<float>());
  const at::Tensor step = values.view({-1, kQ8BlockValues}).abs().amax(1, true) / 127;
  const at::Tensor error = (back - values).view({-1, kQ8BlockValues}).abs();
  // Half a step, and what the scale loses as a half: 127 of its roundings (denormals: 2^-25 each).
  EXPECT_TRUE((error <= 0.5 * step + 127 * (step / 2048 + 3e-8)).all().item<bool>());
}

}  // namespace
}  // namespace mop
