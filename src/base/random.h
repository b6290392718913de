// base/random.h -- random numbers that are the same on every machine and library version.
#pragma once
#include <cstdint>
#include <vector>

namespace mop {

/// SplitMix64: small, seedable, identical everywhere (unlike std:: distributions).
class Random {
 public:
  /// The same seed and stream give the same numbers; streams are independent.
  explicit Random(uint64_t seed, uint64_t stream = 0);
  uint64_t bits();
  /// Uniform in [0, n), n > 0, without bias.
  uint64_t below(uint64_t n);
  /// Uniform in [0, 1).
  double uniform();
  /// `count` of the numbers 0..n-1 in random order without repetition; count <= n.
  std::vector<int64_t> sample(int64_t n, int64_t count);

 private:
  uint64_t state_;
};

}  // namespace mop
