// allocate/programming.cc
#include "allocate/programming.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>

namespace mop {
namespace {

constexpr int64_t kMostStates = int64_t{1} << 17;
constexpr double kMostSteps = 1e9;
constexpr double kNone = std::numeric_limits<double>::infinity();

// The sizes considered per half layer, as indices in `all`.
using Choices = std::vector<std::vector<size_t>>;

Choices choices_of(std::span<const DamageSizes> sizes, bool coarse) {
  Choices choices;
  for (const DamageSizes& half : sizes) {
    choices.push_back(half.coarse);
    if (coarse) continue;
    choices.back().resize(half.all.size());
    std::iota(choices.back().begin(), choices.back().end(), size_t{0});
  }
  return choices;
}

// Maps gains below the limit to states.
class Grid {
 public:
  Grid(std::span<const DamageSizes> sizes, const Choices& choices, double limit) {
    int64_t divisor = 0;
    bool whole = true;
    for (size_t i = 0; i < sizes.size(); ++i) {
      for (const size_t level : choices[i]) {
        const double gain = sizes[i].all[level].gain;
        whole = whole && gain == std::floor(gain) && gain < 1e15;
        if (whole) divisor = std::gcd(divisor, static_cast<int64_t>(gain));
      }
    }
    const auto most = static_cast<double>(kMostStates);
    step_ = whole && divisor > 0 ? static_cast<double>(divisor) : 0;
    if (step_ == 0 || limit / step_ > most) step_ = std::max(limit / most, 1e-300);
    states_ = std::max<int64_t>(static_cast<int64_t>(limit / step_), 0) + 2;
  }
  int64_t states() const { return states_; }
  size_t state_of(double gain) const {
    return static_cast<size_t>(std::clamp<int64_t>(std::llround(gain / step_), 0, states_ - 1));
  }

 private:
  double step_ = 0;
  int64_t states_ = 0;
};

// The best sum found for a state.
struct Sum {
  double damage = kNone, gain = 0;
};
struct Way {
  uint32_t level = 0, before = 0;
};

class Programming {
 public:
  Programming(std::span<const DamageSizes> sizes, const Choices& choices, const Grid& grid,
              const TargetWindow& window)
      : sizes_(sizes), choices_(choices), grid_(grid), window_(window) {}

  // `coarse`: single packs are added later, so the result may stay below the window.
  std::vector<size_t> run(bool coarse) {
    // The last state holds the smallest gain beyond the limit.
    sums_.assign(beyond() + 1, {});
    sums_[grid_.state_of(0)] = {0, 0};
    for (size_t i = 0; i < sizes_.size(); ++i) add(i);
    size_t state = coarse ? best_before_closing() : best_state();
    std::vector<size_t> levels(sizes_.size(), 0);
    for (size_t i = sizes_.size(); i-- > 0;) {
      levels[i] = ways_[i][state].level;
      state = ways_[i][state].before;
    }
    return levels;
  }

 private:
  size_t beyond() const { return static_cast<size_t>(grid_.states()); }

  void add(size_t half) {
    std::vector<Sum> next(sums_.size());
    std::vector<Way>& ways = ways_.emplace_back(sums_.size());
    for (size_t before = 0; before < sums_.size(); ++before) {
      if (sums_[before].damage == kNone) continue;
      for (const size_t level : choices_[half]) {
        const DamageSize& size = sizes_[half].all[level];
        if (before == beyond() && size.gain > 0) break;
        const Sum sum = {sums_[before].damage + size.damage, sums_[before].gain + size.gain};
        const size_t state = sum.gain < window_.limit() ? grid_.state_of(sum.gain) : beyond();
        if (!is_better(sum, next[state], state == beyond())) continue;
        next[state] = sum;
        ways[state] = {static_cast<uint32_t>(level), static_cast<uint32_t>(before)};
      }
    }
    sums_ = std::move(next);
  }

  static bool is_better(const Sum& sum, const Sum& known, bool beyond) {
    if (known.damage == kNone) return true;
    if (beyond && sum.gain != known.gain) return sum.gain < known.gain;
    return sum.damage < known.damage || (sum.damage == known.damage && sum.gain < known.gain);
  }

  size_t best_state() const {
    size_t best = beyond();
    for (size_t state = 0; state < beyond(); ++state) {
      const Sum& sum = sums_[state];
      if (sum.damage == kNone || sum.gain < window_.least()) continue;
      if (best == beyond() || sum.damage < sums_[best].damage) best = state;
    }
    return best;
  }

  // Among the states up to one size below the target, returns the one with the least damage after
  // adding the missing gain at the local price.
  size_t best_before_closing() const {
    const double reach = largest_step(), price = price_at(window_.target, reach);
    size_t best = beyond();
    double least = kNone;
    for (size_t state = 0; state < beyond(); ++state) {
      const Sum& sum = sums_[state];
      if (sum.damage == kNone || sum.gain < window_.target - reach) continue;
      const double expected = sum.damage + price * (window_.target - sum.gain);
      if (expected >= least) continue;
      least = expected;
      best = state;
    }
    return best;
  }

  double largest_step() const {
    double largest = 0;
    for (size_t i = 0; i < sizes_.size(); ++i) {
      for (size_t k = 1; k < choices_[i].size(); ++k) {
        largest = std::max(
            largest, sizes_[i].all[choices_[i][k]].gain - sizes_[i].all[choices_[i][k - 1]].gain);
      }
    }
    return largest;
  }

  // Damage per gain between the last two intervals of length `stretch` before `target`.
  double price_at(double target, double stretch) const {
    double near = kNone, far = kNone;
    for (size_t state = 0; state < beyond(); ++state) {
      const Sum& sum = sums_[state];
      if (sum.damage == kNone) continue;
      if (sum.gain >= target - stretch) near = std::min(near, sum.damage);
      if (sum.gain >= target - 2 * stretch) far = std::min(far, sum.damage);
    }
    return near == kNone || stretch <= 0 ? 0 : (near - far) / stretch;
  }

  std::span<const DamageSizes> sizes_;
  const Choices& choices_;
  const Grid& grid_;
  const TargetWindow& window_;
  std::vector<Sum> sums_;
  std::vector<std::vector<Way>> ways_;  // per half layer
};

double steps_of(const Choices& choices, const Grid& grid) {
  double sizes = 0;
  for (const auto& some : choices) sizes += static_cast<double>(some.size());
  return sizes * static_cast<double>(grid.states());
}

}  // namespace

std::vector<size_t> best_sizes(std::span<const DamageSizes> sizes, const TargetWindow& window) {
  Choices choices = choices_of(sizes, /*coarse=*/false);
  Grid grid(sizes, choices, window.limit());
  const bool coarse = steps_of(choices, grid) > kMostSteps;
  if (coarse) {
    choices = choices_of(sizes, coarse);
    grid = Grid(sizes, choices, window.limit());
  }
  return Programming(sizes, choices, grid, window).run(coarse);
}

}  // namespace mop
