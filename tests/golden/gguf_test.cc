// Block formats of GGUF files (tools/golden/gguf_blocks.py): values equal those of the package
// `gguf` and q8_0 blocks those of llama.cpp's quantiser, bit for bit; a file's logits
// transformers'.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/checkpoint.h"
#include "model/forward.h"
#include "tensor/ggml_blocks.h"

namespace mop {
namespace {

const std::string kFolder = MOP_SOURCE_DIR "/tests/golden/gguf/";

const std::byte* bytes_of(const at::Tensor& tensor) {
  return static_cast<const std::byte*>(tensor.const_data_ptr());
}

at::Tensor dequantized(GgmlType type, const at::Tensor& blocks, int64_t count, DType dtype) {
  at::Tensor values = at::zeros({count}, dtype);
  EXPECT_TRUE(dequantize(*ggml_blocks(type), bytes_of(blocks), count, dtype,
                         static_cast<std::byte*>(values.mutable_data_ptr())));
  return values;
}

TEST(BlocksGolden, ValuesEqualThoseOfThePackageGguf) {
  const auto golden = SafetensorsFile::open(kFolder + "blocks.safetensors");
  int formats = 0;
  for (uint32_t number = 0; number < 64; ++number) {
    const auto type = ggml_type_of_file(number);
    if (!type || ggml_blocks(*type) == nullptr) continue;
    ++formats;
    const std::string name(ggml_name(*type));
    const at::Tensor blocks = golden.tensor(name + ".blocks");
    const at::Tensor expected = golden.tensor(name + ".values").flatten();
    ASSERT_EQ(ggml_bytes(*type, expected.sizes().vec()), blocks.nbytes()) << name;
    const at::Tensor values = dequantized(*type, blocks, expected.numel(), at::kFloat);
    // As integers: zeros have their sign, too.
    EXPECT_TRUE(at::equal(values.view(at::kInt), expected.view(at::kInt))) << name;
  }
  EXPECT_EQ(formats, 13);
}

TEST(BlocksGolden, SixteenBitValuesAreTheNearest) {
  const auto golden = SafetensorsFile::open(kFolder + "q8_0.safetensors");
  const at::Tensor blocks = golden.tensor("blocks");
  const at::Tensor exact = dequantized(GgmlType::kQ8_0, blocks, 2048, at::kFloat);
  for (const DType dtype : {at::kHalf, at::kBFloat16}) {
    EXPECT_TRUE(at::equal(dequantized(GgmlType::kQ8_0, blocks, 2048, dtype), exact.to(dtype)));
  }
}

TEST(BlocksGolden, AValueBeyondTheTypeIsNoticed) {
  std::array<std::byte, 17> block = {};  // mxfp4: 2^20 times half of 1
  block[0] = std::byte{127 + 20};
  block[1] = std::byte{2};
  std::array<float, 32> to;
  const auto fits = [&](DType dtype) {
    return dequantize(kMxfp4, block.data(), 32, dtype, reinterpret_cast<std::byte*>(to.data()));
  };
  EXPECT_FALSE(fits(at::kHalf));
  EXPECT_TRUE(fits(at::kBFloat16));
  EXPECT_TRUE(fits(at::kFloat));
  EXPECT_EQ(to[0], 1048576.0f);
}

TEST(QuantizedGolden, LogitsEqualTransformers) {
  const at::NoGradGuard no_grad;
  const auto golden = SafetensorsFile::open(kFolder + "quantized.safetensors");
  const at::Tensor ids_N = golden.tensor("ids"), expected_NV = golden.tensor("logits");
  const Model model = Model::open(kFolder + "quantized.gguf");
  EXPECT_EQ(model.checkpoint().config()["torch_dtype"], "float16");
  EXPECT_EQ(model.checkpoint().value_bytes(), 2 * 57344 + 4 * 3 * 256);
  WeightLoader loader(model, Compute{});
  const at::Tensor logits_NV =
      logits(loader.globals(), model.config(), run_layers(loader, ids_N, {{ids_N.numel()}}));
  EXPECT_LE(((logits_NV - expected_NV).abs().max() / expected_NV.abs().max()).item<double>(), 1e-5);
}

TEST(Q8Golden, BlocksEqualLlamaCpps) {
  const auto golden = SafetensorsFile::open(kFolder + "q8_0.safetensors");
  const at::Tensor values = golden.tensor("values"), expected = golden.tensor("blocks");
  at::Tensor blocks = at::zeros_like(expected);
  ASSERT_EQ(blocks.nbytes(), kQ8_0.bytes_of(values.numel()));
  quantize_q8_0(values.const_data_ptr<float>(), values.numel(),
                static_cast<std::byte*>(blocks.data_ptr()));
  EXPECT_TRUE(at::equal(blocks, expected)) << (blocks != expected).sum().item<int64_t>();
}

TEST(Q8Golden, TheWayBackIsWithinHalfAStep) {
  const auto golden = SafetensorsFile::open(kFolder + "q8_0.safetensors");
  const at::Tensor values = golden.tensor("values");
  const at::Tensor back =
      dequantized(GgmlType::kQ8_0, golden.tensor("blocks"), values.numel(), at::kFloat);
  const at::Tensor step = values.view({-1, 32}).abs().amax(1, true) / 127;
  const at::Tensor error = (back.view_as(values) - values).view({-1, 32}).abs();
  // Half a step, and what the scale loses as a half: 127 of its roundings (denormals: 2^-25 each).
  EXPECT_TRUE((error <= 0.5 * step + 127 * (step / 2048 + 3e-8)).all().item<bool>());
}

}  // namespace
}  // namespace mop
