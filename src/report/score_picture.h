// report/score_picture.h -- distribution of a criterion's scores over kept and removed units.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "report/table.h"

namespace mop {

/// A histogram of units by score; for kinds with few units (layers), the individual scores.
struct ScoreCounts {
  std::string criterion;  ///< "amp-neurons"
  std::string unit;       ///< "neuron"
  int64_t step = 0;       ///< from 1
  bool logarithmic = false;
  std::vector<double> edges = {};  ///< increasing, one more than the counts
  std::vector<int64_t> kept = {}, removed = {};
  int64_t kept_below = 0, removed_below = 0;  ///< scores below the first edge: on a logarithmic
                                              ///< scale, zeros
  struct One {
    int64_t layer = 0;
    double score = 0;
    bool removed = false;
  };
  std::vector<One> ones = {};  ///< instead of counts
};

/// Returns a histogram with removed units at the bottom of each bar, or one point per layer; empty
/// without units.
std::string score_svg(const ScoreCounts& counts);
Table score_table(const ScoreCounts& counts);

}  // namespace mop
