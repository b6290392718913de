// eval/tasks/python_random.h -- reproduces Python's `random.Random(seed)`, for the examples and
// bootstrapped errors of lm-evaluation-harness.
#pragma once
#include <cstdint>
#include <random>
#include <vector>

namespace mop {

class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed);
  /// random(): uniform in [0, 1) with 53 bits.
  double uniform();
  /// sample(range(n), count): `count` <= n distinct numbers below n.
  std::vector<int64_t> sample(int64_t n, int64_t count);

 private:
  int64_t below(int64_t n);
  std::mt19937 generator_;
};

}  // namespace mop
