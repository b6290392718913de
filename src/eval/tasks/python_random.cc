#include "eval/tasks/python_random.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>

namespace mop {
namespace {

// init_by_array({seed}) of the Mersenne Twister's authors, with which Python seeds it.
std::array<uint32_t, 624> state_of(uint32_t seed) {
  constexpr size_t kSize = 624;
  std::array<uint32_t, kSize> state;
  state[0] = 19650218U;
  for (size_t i = 1; i < kSize; ++i) {
    state[i] = 1812433253U * (state[i - 1] ^ (state[i - 1] >> 30)) + static_cast<uint32_t>(i);
  }
  size_t at = 1;
  const auto mix = [&](uint32_t factor) {
    return state[at] ^ ((state[at - 1] ^ (state[at - 1] >> 30)) * factor);
  };
  const auto next = [&] {
    if (++at < kSize) return;
    state[0] = state[kSize - 1];
    at = 1;
  };
  for (size_t k = 0; k < kSize; ++k) {
    state[at] = mix(1664525U) + seed;
    next();
  }
  for (size_t k = 0; k + 1 < kSize; ++k) {
    state[at] = mix(1566083941U) - static_cast<uint32_t>(at);
    next();
  }
  state[0] = 0x80000000U;
  return state;
}

// A seed sequence that sets the state of std::mt19937 directly.
struct ReadyState {
  using result_type = uint32_t;
  template <typename Iterator>
  void generate(Iterator begin, Iterator end) const {
    std::copy_n(words.begin(), end - begin, begin);
  }
  std::array<uint32_t, 624> words;
};

}  // namespace

PythonRandom::PythonRandom(uint32_t seed) {
  ReadyState ready{state_of(seed)};
  generator_.seed(ready);
}

double PythonRandom::uniform() {
  const uint32_t high = static_cast<uint32_t>(generator_()) >> 5;
  const uint32_t low = static_cast<uint32_t>(generator_()) >> 6;
  return (high * 67108864. + low) * (1. / 9007199254740992.);
}

int64_t PythonRandom::below(int64_t n) {
  const int bits = std::bit_width(static_cast<uint32_t>(n));
  for (;;) {
    const auto drawn = static_cast<int64_t>(static_cast<uint32_t>(generator_()) >> (32 - bits));
    if (drawn < n) return drawn;
  }
}

std::vector<int64_t> PythonRandom::sample(int64_t n, int64_t count) {
  // Python draws different numbers from a pool than from a set, by the size of the population.
  int64_t set_size = 21;
  if (count > 5) {
    const double power = std::ceil(std::log(static_cast<double>(count * 3)) / std::log(4.));
    set_size += static_cast<int64_t>(std::pow(4., power));
  }
  std::vector<int64_t> drawn;
  if (n <= set_size) {
    std::vector<int64_t> pool(static_cast<size_t>(n));
    std::iota(pool.begin(), pool.end(), 0);
    for (int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(below(n - i));
      drawn.push_back(pool[at]);
      pool[at] = pool[static_cast<size_t>(n - i - 1)];
    }
    return drawn;
  }
  while (static_cast<int64_t>(drawn.size()) < count) {
    const int64_t number = below(n);
    if (std::find(drawn.begin(), drawn.end(), number) == drawn.end()) drawn.push_back(number);
  }
  return drawn;
}

}  // namespace mop
