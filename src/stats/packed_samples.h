// stats/packed_samples.h -- samples as one packed batch.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/forward.h"
#include "text/samples.h"

namespace mop {

struct PackedSamples {
  Packing packing;
  at::Tensor ids_N;  ///< int64, CPU
};

/// Concatenates all samples. With `by_length`, longest first: on a device samples of equal length
/// are processed in one call.
PackedSamples pack(const TokenSamples& samples, bool by_length);

/// The target of each token. The last token of a sample has none, and ids at or above the
/// vocabulary size (image rows) are not predicted: their weight is 0.
struct NextTokens {
  NextTokens(const PackedSamples& packed, int64_t vocab);
  at::Tensor ids_N;      ///< int64, CPU
  at::Tensor weights_N;  ///< float32, CPU: 0 or 1
};

/// Returns the index of each sequence's first token, and the number of tokens as last entry.
std::vector<int64_t> first_tokens(const Packing& packing);

}  // namespace mop
