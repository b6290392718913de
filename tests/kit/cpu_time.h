// tests/kit/cpu_time.h -- whether work grows as what it works on does.
#pragma once
#include <algorithm>
#include <ctime>

namespace mop::testing {

/// Processor seconds of this thread for `work()`, the least of three times.
template <typename Work>
double cpu_seconds(const Work& work) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  double least = 1e9;
  for (int i = 0; i < 3; ++i) {
    const double begin = now();
    work();
    least = std::min(least, now() - begin);
  }
  return least;
}

/// How many times longer `work(4 * size)` takes than `work(size)`: 4 where it is linear, 16 where
/// it is quadratic. Machines are not quiet: below 10 is linear.
template <typename Work>
double growth(const Work& work, int size) {
  return cpu_seconds([&] { work(4 * size); }) / cpu_seconds([&] { work(size); });
}

}  // namespace mop::testing
