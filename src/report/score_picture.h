// report/score_picture.h -- how a criterion scored the units of a model, and which of them went.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "report/table.h"

namespace mop {

/// Units counted by their scores; of kinds that are few, layers say, every score by itself.
struct ScoreCounts {
  std::string criterion;  ///< "amp-neurons"
  std::string unit;       ///< "neuron"
  int64_t step = 0;       ///< from 1
  bool logarithmic = false;
  std::vector<double> edges = {};  ///< rising, one more than there are counts
  std::vector<int64_t> kept = {}, removed = {};
  int64_t kept_below = 0, removed_below = 0;  ///< scores under the first edge: on a logarithmic
                                              ///< scale those that are 0
  struct One {
    int64_t layer = 0;
    double score = 0;
    bool removed = false;
  };
  std::vector<One> ones = {};  ///< instead of counts
};

/// A histogram, what went at the bottom of each bar; or a point a layer. Empty without any unit.
std::string score_svg(const ScoreCounts& counts);
Table score_table(const ScoreCounts& counts);

}  // namespace mop
