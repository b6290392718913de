// stats/abs_sums.cc
#include "stats/abs_sums.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "stats/packed_samples.h"
#include "tensor/clones.h"

namespace mop {
namespace {

constexpr int64_t kTileColumns = 1024;  // float32 sums of 4 KiB, which fit the L1 cache
constexpr int64_t kBlockTokens = 256;   // summed in float32, then added to float64
constexpr int64_t kLanes = 64;

MOP_CLONES void add_abs(const float* x, float* sum, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sum[i] += std::fabs(x[i]);
}
MOP_CLONES void add_abs(const uint16_t* bfloat16, float* sum, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    sum[i] += std::bit_cast<float>(static_cast<uint32_t>(bfloat16[i] & 0x7fffu) << 16);
  }
}

float add_lanes(const float* lanes) {
  double sum = 0;
  for (int64_t i = 0; i < kLanes; ++i) sum += lanes[i];
  return static_cast<float>(sum);
}

// Independent lanes, since a single chain of additions cannot be vectorised.
MOP_CLONES float l1(const float* x, int64_t n) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) lanes[j] += std::fabs(x[i + j]);
  }
  for (; i < n; ++i) lanes[i % kLanes] += std::fabs(x[i]);
  return add_lanes(lanes);
}
MOP_CLONES float l1(const uint16_t* bfloat16, int64_t n) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) {
      lanes[j] += std::bit_cast<float>(static_cast<uint32_t>(bfloat16[i + j] & 0x7fffu) << 16);
    }
  }
  for (; i < n; ++i) {
    lanes[i % kLanes] += std::bit_cast<float>(static_cast<uint32_t>(bfloat16[i] & 0x7fffu) << 16);
  }
  return add_lanes(lanes);
}

const uint16_t* bits(const at::Tensor& bfloat16) {
  return reinterpret_cast<const uint16_t*>(bfloat16.const_data_ptr<at::BFloat16>());
}

// Returns the tensor as float32 or bfloat16 with contiguous rows.
at::Tensor readable(const at::Tensor& value_NX) {
  const bool known =
      value_NX.scalar_type() == at::kFloat || value_NX.scalar_type() == at::kBFloat16;
  const at::Tensor value = known ? value_NX : value_NX.to(at::kFloat);
  return value.stride(1) == 1 || value.size(1) == 1 ? value : value.contiguous();
}

// Sums over one sequence's tokens for one tile of columns.
template <typename T>
void add_tile(const T* first, int64_t stride, int64_t tokens, int64_t columns, double* sums) {
  float block[kTileColumns];
  for (int64_t begin = 0; begin < tokens; begin += kBlockTokens) {
    std::fill_n(block, columns, 0.f);
    const int64_t end = std::min(begin + kBlockTokens, tokens);
    for (int64_t t = begin; t < end; ++t) add_abs(first + t * stride, block, columns);
    for (int64_t c = 0; c < columns; ++c) sums[c] += block[c];
  }
}

template <typename T>
void sum_sequences(const T* value, int64_t stride, const Packing& piece,
                   const at::Tensor& sums_SX) {
  const int64_t width = sums_SX.size(1);
  const int64_t tiles = (width + kTileColumns - 1) / kTileColumns;
  const std::vector<int64_t> first = first_tokens(piece);
  double* sums = sums_SX.data_ptr<double>();
  at::parallel_for(0, sums_SX.size(0) * tiles, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t s = i / tiles, column = i % tiles * kTileColumns;
      add_tile(value + first[static_cast<size_t>(s)] * stride + column, stride,
               piece.lengths[static_cast<size_t>(s)], std::min(kTileColumns, width - column),
               sums + s * width + column);
    }
  });
}

}  // namespace

at::Tensor sequence_abs_sums(const at::Tensor& value_NX, const Packing& piece) {
  const at::Tensor value = readable(value_NX);
  const at::Tensor sums_SX =
      at::zeros({static_cast<int64_t>(piece.lengths.size()), value.size(1)}, at::kDouble);
  if (value.scalar_type() == at::kFloat) {
    sum_sequences(value.const_data_ptr<float>(), value.stride(0), piece, sums_SX);
  } else {
    sum_sequences(bits(value), value.stride(0), piece, sums_SX);
  }
  return sums_SX;
}

at::Tensor sequence_sums(const at::Tensor& values_NX, const Packing& piece) {
  const std::vector<int64_t> first = first_tokens(piece);
  std::vector<at::Tensor> sums;
  for (size_t s = 0; s < piece.lengths.size(); ++s) {
    sums.push_back(values_NX.narrow(0, first[s], piece.lengths[s]).to(at::kDouble).sum(0));
  }
  return at::stack(sums);
}

std::vector<EqualLengths> equal_lengths(const Packing& piece) {
  std::vector<EqualLengths> runs;
  int64_t token = 0;
  for (const int64_t length : piece.lengths) {
    if (runs.empty() || runs.back().length != length) runs.push_back({token, 0, length});
    ++runs.back().sequences;
    token += length;
  }
  return runs;
}

void add_abs_means(const at::Tensor& value_NX, const Packing& piece, const at::Tensor& sums_X) {
  for (const EqualLengths& run : equal_lengths(piece)) {
    const at::Tensor value_STX =
        value_NX.narrow(0, run.first_token, run.tokens()).unflatten(0, {run.sequences, run.length});
    const at::Tensor sums_SX = at::linalg_vector_norm(value_STX, 1, 1, false, at::kFloat);
    sums_X.add_(sums_SX.sum(0, false, at::kDouble).div_(static_cast<double>(run.length)));
  }
}

void add_means(const at::Tensor& values_XN, const Packing& piece, const at::Tensor& sums_X) {
  for (const EqualLengths& run : equal_lengths(piece)) {
    const at::Tensor sums_of_run_X =
        values_XN.narrow(1, run.first_token, run.tokens()).sum(1, false, at::kDouble);
    sums_X.add_(sums_of_run_X, 1 / static_cast<double>(run.length));
  }
}

void row_l1_into(const at::Tensor& rows_NX, const at::Tensor& out_NU, int64_t column) {
  const int64_t width = rows_NX.size(1), stride = rows_NX.stride(0), units = out_NU.stride(0);
  const bool wide = rows_NX.scalar_type() == at::kFloat;
  const float* floats = wide ? rows_NX.const_data_ptr<float>() : nullptr;
  const uint16_t* halves = wide ? nullptr : bits(rows_NX);
  float* out = out_NU.data_ptr<float>() + column;
  at::parallel_for(0, rows_NX.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      out[r * units] = wide ? l1(floats + r * stride, width) : l1(halves + r * stride, width);
    }
  });
}

}  // namespace mop
