// tensor/q8_0.cc
#include "tensor/q8_0.h"

#include <ATen/Parallel.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace mop {
namespace {

constexpr int64_t kGrain = 4096;  // blocks a thread takes at once

void quantize_block(const float* from, std::byte* to) {
  float largest = 0;
  for (int64_t i = 0; i < kQ8BlockValues; ++i) largest = std::max(largest, std::fabs(from[i]));
  const float scale = largest / 127.0f;
  const float inverse = scale == 0 ? 0.0f : 1.0f / scale;
  const c10::Half half = scale;
  std::memcpy(to, &half, sizeof half);
  auto* quants = reinterpret_cast<int8_t*>(to + sizeof half);
  for (int64_t i = 0; i < kQ8BlockValues; ++i) {
    quants[i] = static_cast<int8_t>(std::round(from[i] * inverse));
  }
}

void dequantize_block(const std::byte* from, float* to) {
  c10::Half half;
  std::memcpy(&half, from, sizeof half);
  const auto scale = static_cast<float>(half);
  const auto* quants = reinterpret_cast<const int8_t*>(from + sizeof half);
  for (int64_t i = 0; i < kQ8BlockValues; ++i) to[i] = scale * static_cast<float>(quants[i]);
}

}  // namespace

void quantize_q8_0(const float* from, int64_t values, std::byte* to) {
  at::parallel_for(0, values / kQ8BlockValues, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      quantize_block(from + block * kQ8BlockValues,
                     to + static_cast<size_t>(block) * kQ8BlockBytes);
    }
  });
}

void dequantize_q8_0(const std::byte* from, int64_t values, float* to) {
  at::parallel_for(0, values / kQ8BlockValues, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      dequantize_block(from + static_cast<size_t>(block) * kQ8BlockBytes,
                       to + block * kQ8BlockValues);
    }
  });
}

}  // namespace mop
