// model/sequence_runs.h -- which neighbours of a packing one attention call can serve.
#pragma once
#include <cstdint>
#include <vector>

#include "model/forward.h"

namespace mop {

/// Neighbouring sequences of the same length and start.
struct SequenceRun {
  int64_t first_sequence, num_sequences;
  int64_t length, start;  ///< tokens
};

/// The packing's sequences in order, as few runs as there can be.
std::vector<SequenceRun> runs_of(const Packing& packing);

}  // namespace mop
