// allocate/damage.cc -- steepest descent along convex hulls, or dynamic programming, followed by
// single packs.
#include "allocate/damage.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <tuple>

#include "allocate/damage_sizes.h"
#include "allocate/programming.h"

namespace mop {
namespace {

// The current size of one curve.
class Sizes {
 public:
  struct Step {
    size_t level;
    double gain, damage;
    double slope() const { return damage / gain; }
  };

  explicit Sizes(const DamageSizes& sizes) : sizes_(sizes) {}

  int64_t count() const { return now().gone; }
  double damage() const { return now().damage; }
  void go_to(size_t level) { level_ = level; }

  // The next step along the hull: the least damage per gain among those with a gain below `limit`.
  std::optional<Step> hull_step(double limit) const {
    std::optional<Step> best;
    for (auto next = std::upper_bound(sizes_.coarse.begin(), sizes_.coarse.end(), level_);
         next != sizes_.coarse.end(); ++next) {
      const Step step = to(*next);
      if (step.gain >= limit) break;
      if (!best || step.slope() < best->slope()) best = step;
    }
    return best;
  }
  std::optional<Step> next_pack() const {
    if (level_ + 1 == sizes_.all.size()) return {};
    return to(level_ + 1);
  }
  // The step that restores the last pack; its gain and damage are negative.
  std::optional<Step> pack_back() const {
    if (level_ == 0) return {};
    return to(level_ - 1);
  }
  Step to(size_t level) const {
    return {level, sizes_.all[level].gain - now().gain, sizes_.all[level].damage - now().damage};
  }

 private:
  const DamageSize& now() const { return sizes_.all[level_]; }
  const DamageSizes& sizes_;
  size_t level_ = 0;
};

class Allocator {
 public:
  Allocator(std::span<const HalfLayerCurve> curves, std::span<const DamageSizes> sizes,
            const DamageTarget& target)
      : window_(window_of(curves, sizes, target)),
        sizes_(sizes.begin(), sizes.end()),
        order_(curves.size()) {
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](size_t x, size_t y) { return curves[x].layer < curves[y].layer; });
  }

  // Starts with the hulls, or with the given level of every curve.
  DamageAllocation run(std::span<const size_t> start) {
    if (start.empty()) follow_hulls();
    for (size_t i = 0; i < start.size(); ++i) take({i, sizes_[i].to(start[i])});
    if (start.empty() || missing()) {
      close();
      while (missing() && take_smallest()) {
      }
      give_back();
    }
    DamageAllocation result{{}, gain_, 0};
    for (const Sizes& sizes : sizes_) {
      result.counts.push_back(sizes.count());
      result.damage += sizes.damage();
    }
    return result;
  }

 private:
  using Step = Sizes::Step;
  struct Choice {
    size_t curve;
    Step step;
  };

  double target() const { return window_.target; }
  double slack() const { return window_.slack(); }
  // Maximum gain of a step: it may exceed the target by less than the smallest pack.
  double limit() const { return target() + window_.smallest - slack() - gain_; }
  bool closer(double change) const {
    return std::abs(gain_ + change - target()) < std::abs(gain_ - target()) - slack();
  }
  bool missing() const { return gain_ < window_.least(); }

  void take(const Choice& choice) {
    sizes_[choice.curve].go_to(choice.step.level);
    gain_ += choice.step.gain;
  }

  // Minimum by `value` of the steps of all curves; the first among equals.
  template <typename StepOf, typename Value>
  std::optional<Choice> least(StepOf step_of, Value value) const {
    std::optional<Choice> best;
    for (const size_t i : order_) {
      const std::optional<Step> step = step_of(sizes_[i]);
      if (step && (!best || value(*step) < value(best->step))) best = Choice{i, *step};
    }
    return best;
  }

  // Hull steps are cached: a step that still fits is still the best of its curve.
  void follow_hulls() {
    std::vector<std::optional<Step>> steps;
    for (const Sizes& sizes : sizes_) steps.push_back(sizes.hull_step(limit()));
    while (gain_ < target() - slack()) {
      std::optional<size_t> best;
      for (const size_t i : order_) {
        if (steps[i] && steps[i]->gain >= limit()) steps[i] = sizes_[i].hull_step(limit());
        if (steps[i] && (!best || steps[i]->slope() < steps[*best]->slope())) best = i;
      }
      if (!best) return;
      take({*best, *steps[*best]});
      steps[*best] = sizes_[*best].hull_step(limit());
    }
  }

  void close() {
    const auto fitting = [&](const Sizes& sizes) {
      std::optional<Step> step = sizes.next_pack();
      if (step && (step->gain >= limit() || (window_.nearest && !closer(step->gain)))) step.reset();
      return step;
    };
    while (gain_ < target() - slack()) {
      const auto choice = least(fitting, [](const Step& step) { return step.slope(); });
      if (!choice) return;
      take(*choice);
    }
  }

  // Takes the smallest of all packs, if every pack exceeds the limit.
  bool take_smallest() {
    const auto choice = least([](const Sizes& sizes) { return sizes.next_pack(); },
                              [](const Step& step) { return std::tuple(step.gain, step.damage); });
    if (choice) take(*choice);
    return choice.has_value();
  }

  // Restores packs that are not needed for the target, those with the most damage first.
  void give_back() {
    const auto spare = [&](const Sizes& sizes) {
      std::optional<Step> step = sizes.pack_back();
      if (step && step->damage > 0) step.reset();  // restoring it would not reduce the damage
      if (step &&
          !(window_.nearest ? closer(step->gain) : gain_ + step->gain >= target() - slack())) {
        step.reset();
      }
      return step;
    };
    while (const auto choice = least(spare, [](const Step& step) { return -step.slope(); })) {
      take(*choice);
    }
  }

  const TargetWindow window_;
  double gain_ = 0;
  std::vector<Sizes> sizes_;
  std::vector<size_t> order_;  // order of the curves for ties
};

std::vector<DamageSizes> all_sizes(std::span<const HalfLayerCurve> curves) {
  std::vector<DamageSizes> sizes;
  for (const HalfLayerCurve& curve : curves) sizes.push_back(sizes_of(curve));
  return sizes;
}

}  // namespace

DamageAllocation allocate_by_damage(std::span<const HalfLayerCurve> curves,
                                    const DamageTarget& target) {
  return solve_curves(curves, target, [](auto given, const DamageTarget& goal) {
    const std::vector<DamageSizes> sizes = all_sizes(given);
    return Allocator(given, sizes, goal).run({});
  });
}

DamageAllocation allocate_by_programming(std::span<const HalfLayerCurve> curves,
                                         const DamageTarget& target) {
  return solve_curves(curves, target, [](auto given, const DamageTarget& goal) {
    const std::vector<DamageSizes> sizes = all_sizes(given);
    const std::vector<size_t> best = best_sizes(sizes, window_of(given, sizes, goal));
    return Allocator(given, sizes, goal).run(best);
  });
}

}  // namespace mop
