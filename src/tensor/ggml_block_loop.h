// tensor/ggml_block_loop.h -- turns a function for one block into a loop over blocks, compiled for
// several instruction sets; shared by the files of block formats.
#pragma once
#include <c10/util/Half.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tensor/clones.h"
#include "tensor/ggml_blocks.h"

// A fused multiply-add rounds once instead of twice and would give other bits than `gguf`.
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

namespace mop {

/// Reads a float16.
inline float half_at(const uint8_t* from) {
  c10::Half half;
  std::memcpy(&half, from, sizeof half);
  return half;
}

template <auto kBlock, int64_t kValues, size_t kBytes>
MOP_CLONES void each_block(const std::byte* from, size_t blocks, float* to) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(from);
  for (size_t i = 0; i < blocks; ++i) kBlock(bytes + i * kBytes, to + i * kValues);
}

template <auto kBlock, int64_t kValues, size_t kBytes>
constexpr BlockFormat block_format() {
  return {kValues, kBytes, each_block<kBlock, kValues, kBytes>};
}

/// The levels of a non-linear 4-bit type.
inline constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

}  // namespace mop
