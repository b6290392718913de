// model/sequence_runs.cc
#include "model/sequence_runs.h"

namespace mop {

std::vector<SequenceRun> runs_of(const Packing& packing) {
  std::vector<SequenceRun> runs;
  for (size_t s = 0; s < packing.lengths.size(); ++s) {
    const int64_t length = packing.lengths[s];
    const int64_t start = packing.starts.empty() ? 0 : packing.starts[s];
    if (!runs.empty() && runs.back().length == length && runs.back().start == start) {
      ++runs.back().num_sequences;
    } else {
      runs.push_back({static_cast<int64_t>(s), 1, length, start});
    }
  }
  return runs;
}

}  // namespace mop
