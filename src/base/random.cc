// base/random.cc
#include "base/random.h"

#include <cstddef>
#include <numeric>

namespace mop {

Random::Random(uint64_t seed, uint64_t stream) : state_(seed) {
  state_ ^= stream * 0xda942042e4dd58b5ULL;
  bits();
}

uint64_t Random::bits() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

uint64_t Random::below(uint64_t n) {
  const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
  uint64_t value = bits();
  while (value >= limit) value = bits();
  return value % n;
}

double Random::uniform() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }

std::vector<int64_t> Random::sample(int64_t n, int64_t count) {
  std::vector<int64_t> items(static_cast<size_t>(n));
  std::iota(items.begin(), items.end(), int64_t{0});
  for (int64_t i = 0; i < count; ++i) {
    std::swap(
        items[static_cast<size_t>(i)],
        items[static_cast<size_t>(i + static_cast<int64_t>(below(static_cast<uint64_t>(n - i))))]);
  }
  items.resize(static_cast<size_t>(count));
  return items;
}

}  // namespace mop
