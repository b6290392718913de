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

/// All samples end to end. With `by_length`, longest first: on a device samples of one length run
/// side by side, so that calls are few.
PackedSamples pack(const TokenSamples& samples, bool by_length);

/// What each token is to predict. The last of a sample predicts nothing, and what stands behind the
/// vocabulary is seen and never said: their weight is 0.
struct NextTokens {
  NextTokens(const PackedSamples& packed, int64_t vocab);
  at::Tensor ids_N;      ///< int64, CPU
  at::Tensor weights_N;  ///< float32, CPU: 0 or 1
};

/// First tokens of the sequences of a packing, and one behind the last.
std::vector<int64_t> first_tokens(const Packing& packing);

}  // namespace mop
