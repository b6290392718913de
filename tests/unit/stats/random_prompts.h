// tests/unit/stats/random_prompts.h
#pragma once
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "text/samples.h"

namespace mop::testing {

/// Prompts of these lengths, the same ones in every run.
inline TokenSamples random_prompts(const std::vector<int64_t>& lengths, int64_t vocab = 96) {
  Random random(7);
  TokenSamples samples;
  for (const int64_t length : lengths) {
    samples.ids.emplace_back();
    for (int64_t i = 0; i < length; ++i) {
      samples.ids.back().push_back(
          static_cast<int64_t>(random.below(static_cast<uint64_t>(vocab))));
    }
  }
  return samples;
}

}  // namespace mop::testing
