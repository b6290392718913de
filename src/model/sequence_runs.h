// model/sequence_runs.h -- groups neighbouring sequences that one attention call can process.
#pragma once
#include <cstdint>
#include <vector>

#include "model/forward.h"

namespace mop {

/// Consecutive sequences of equal length and start.
struct SequenceRun {
  int64_t first_sequence, num_sequences;
  int64_t length, start;  ///< tokens
};

/// Splits the packing's sequences, in order, into the fewest runs.
std::vector<SequenceRun> runs_of(const Packing& packing);

}  // namespace mop
