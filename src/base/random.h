// base/random.h -- random numbers that do not depend on the machine or the standard library.
#pragma once
#include <cstdint>
#include <vector>

namespace mop {

/// SplitMix64. Reproducible everywhere, unlike the std:: distributions.
class Random {
 public:
  /// Equal seed and stream give equal numbers; different streams are independent.
  explicit Random(uint64_t seed, uint64_t stream = 0);
  uint64_t bits();
  /// Uniform in [0, n), n > 0, without bias.
  uint64_t below(uint64_t n);
  /// Uniform in [0, 1).
  double uniform();
  /// Returns `count` <= n distinct numbers of 0..n-1 in random order.
  std::vector<int64_t> sample(int64_t n, int64_t count);

 private:
  uint64_t state_;
};

}  // namespace mop
