// allocate/damage.cc -- steepest descent along convex hulls, then single packs.
#include "allocate/damage.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <tuple>

#include "base/error.h"

namespace mop {
namespace {

// Sums of gains in other orders differ by rounding; of the target.
constexpr double kRounding = 1e-9;

std::string name_of(const HalfLayerCurve& curve) {
  return fmt::format("the {} curve of layer {}", unit_name(curve.kind), curve.layer);
}

void check(const HalfLayerCurve& c) {
  if (c.units < 0 || std::ssize(c.damage) > c.units || c.pack < 1 || c.stride < 1 || c.keep < 0) {
    throw bad_input("{} has {} values for {} units, packs of {}, {} to keep", name_of(c),
                    c.damage.size(), c.units, c.pack, c.keep);
  }
  if (!(c.gain >= 0 && c.gain_of_rest >= 0) || !std::isfinite(c.gain + c.gain_of_rest)) {
    throw bad_input("{} has a gain of {} per unit and {} for the rest: not below 0 expected",
                    name_of(c), c.gain, c.gain_of_rest);
  }
  double before = 0;
  for (const double damage : c.damage) {
    if (!std::isfinite(damage) || damage < before) {
      throw bad_input("{} falls, or is not finite: {} after {}", name_of(c), damage, before);
    }
    before = damage;
  }
  if (c.damage_of_all && !(std::isfinite(*c.damage_of_all) && *c.damage_of_all >= 0)) {
    throw bad_input("{} ends at {}: a number not below 0 expected", name_of(c), *c.damage_of_all);
  }
}

// One curve at the sizes it may have.
class Sizes {
 public:
  struct Step {
    size_t level;
    double gain, damage;
    double slope() const { return damage / gain; }
  };

  explicit Sizes(const HalfLayerCurve& curve) : curve_(curve), removed_{0}, coarse_{0} {
    check(curve);
    if (curve.gain <= 0) {
      // Nothing is won before the last unit is gone.
      const bool may_go_whole = curve.keep == 0 && std::ssize(curve.damage) == curve.units;
      if (curve.gain_of_rest <= 0 || curve.units == 0 || !may_go_whole) return;
      removed_.push_back(curve.units);
      coarse_.push_back(1);
      return;
    }
    const int64_t most = std::min(std::ssize(curve.damage), curve.units - curve.keep);
    const int64_t first = curve.units % curve.pack == 0 ? curve.pack : curve.units % curve.pack;
    for (int64_t gone = first; gone <= most; gone += curve.pack) {
      if (gone - removed_[coarse_.back()] >= curve.stride) coarse_.push_back(removed_.size());
      removed_.push_back(gone);
    }
    if (coarse_.back() + 1 < removed_.size()) coarse_.push_back(removed_.size() - 1);
  }

  int64_t count() const { return removed_[level_]; }
  double gain() const { return gain_at(level_); }
  double damage() const { return damage_at(level_); }
  double most_gain() const { return gain_at(removed_.size() - 1); }
  bool can_lose() const { return removed_.size() > 1; }
  int64_t pack() const { return curve_.pack; }
  double pack_gain() const { return curve_.gain * static_cast<double>(curve_.pack); }
  void go_to(size_t level) { level_ = level; }

  // The step along the hull: least damage per gain, of those that win less than `limit`.
  std::optional<Step> hull_step(double limit) const {
    std::optional<Step> best;
    for (auto next = std::upper_bound(coarse_.begin(), coarse_.end(), level_);
         next != coarse_.end(); ++next) {
      const Step step = to(*next);
      if (step.gain >= limit) break;
      if (!best || step.slope() < best->slope()) best = step;
    }
    return best;
  }
  std::optional<Step> next_pack() const {
    if (level_ + 1 == removed_.size()) return {};
    return to(level_ + 1);
  }
  // Undoes the last pack: gain and damage are below 0.
  std::optional<Step> pack_back() const {
    if (level_ == 0) return {};
    return to(level_ - 1);
  }

 private:
  double gain_at(size_t level) const {
    const int64_t gone = removed_[level];
    return static_cast<double>(gone) * curve_.gain +
           (gone > 0 && gone == curve_.units ? curve_.gain_of_rest : 0);
  }
  double damage_at(size_t level) const {
    const int64_t gone = removed_[level];
    if (gone == 0) return 0;
    if (gone == curve_.units && curve_.damage_of_all) return *curve_.damage_of_all;
    return curve_.damage[static_cast<size_t>(gone - 1)];
  }
  Step to(size_t level) const {
    return {level, gain_at(level) - gain(), damage_at(level) - damage()};
  }

  const HalfLayerCurve& curve_;
  std::vector<int64_t> removed_;  // units gone, per level
  std::vector<size_t> coarse_;    // levels that the hull looks at
  size_t level_ = 0;
};

class Allocator {
 public:
  Allocator(std::span<const HalfLayerCurve> curves, const DamageTarget& target)
      : target_(target.gain), sizes_(curves.begin(), curves.end()), order_(curves.size()) {
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](size_t x, size_t y) { return curves[x].layer < curves[y].layer; });
    for (const Sizes& sizes : sizes_) {
      if (!sizes.can_lose() || sizes.pack_gain() <= 0 ||
          (smallest_ > 0 && sizes.pack_gain() >= smallest_))
        continue;
      smallest_ = sizes.pack_gain();
      nearest_ = sizes.pack() > 1;
    }
    check_reach(target);
  }

  DamageAllocation run() {
    follow_hulls();
    close();
    while (missing() && take_smallest()) {
    }
    give_back();
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

  double slack() const { return kRounding * std::abs(target_); }
  // What a step may win at most: less than the smallest pack beyond the target.
  double limit() const { return target_ + smallest_ - slack() - gain_; }
  bool closer(double change) const {
    return std::abs(gain_ + change - target_) < std::abs(gain_ - target_) - slack();
  }
  bool missing() const { return gain_ < target_ - slack() - (nearest_ ? smallest_ / 2 : 0); }

  void check_reach(const DamageTarget& target) const {
    double most = 0;
    for (const Sizes& sizes : sizes_) most += sizes.most_gain();
    if (most >= target_ - slack() - (nearest_ ? smallest_ / 2 : 0)) return;
    throw bad_input("{} {} cannot be removed: all units that may go have {}", target_,
                    target.currency, most)
        .hint("lower the target, or let layers keep fewer units");
  }

  void take(const Choice& choice) {
    sizes_[choice.curve].go_to(choice.step.level);
    gain_ += choice.step.gain;
  }

  // The least of what `step` finds for every curve, by `value`; the first of equals.
  template <typename StepOf, typename Value>
  std::optional<Choice> least(StepOf step_of, Value value) const {
    std::optional<Choice> best;
    for (const size_t i : order_) {
      const std::optional<Step> step = step_of(sizes_[i]);
      if (step && (!best || value(*step) < value(best->step))) best = Choice{i, *step};
    }
    return best;
  }

  // Hull steps are remembered: one that still fits is still the best of its curve.
  void follow_hulls() {
    std::vector<std::optional<Step>> steps;
    for (const Sizes& sizes : sizes_) steps.push_back(sizes.hull_step(limit()));
    while (gain_ < target_ - slack()) {
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
      if (step && (step->gain >= limit() || (nearest_ && !closer(step->gain)))) step.reset();
      return step;
    };
    while (gain_ < target_ - slack()) {
      const auto choice = least(fitting, [](const Step& step) { return step.slope(); });
      if (!choice) return;
      take(*choice);
    }
  }

  // Where every pack is too large: the smallest of all.
  bool take_smallest() {
    const auto choice = least([](const Sizes& sizes) { return sizes.next_pack(); },
                              [](const Step& step) { return std::tuple(step.gain, step.damage); });
    if (choice) take(*choice);
    return choice.has_value();
  }

  // What is beyond the target goes back to where it relieves most.
  void give_back() {
    const auto spare = [&](const Sizes& sizes) {
      std::optional<Step> step = sizes.pack_back();
      if (step && step->damage > 0) step.reset();  // it would not relieve
      if (step && !(nearest_ ? closer(step->gain) : gain_ + step->gain >= target_ - slack())) {
        step.reset();
      }
      return step;
    };
    while (const auto choice = least(spare, [](const Step& step) { return -step.slope(); })) {
      take(*choice);
    }
  }

  double target_, gain_ = 0;
  std::vector<Sizes> sizes_;
  std::vector<size_t> order_;  // of curves, for ties
  double smallest_ = 0;        // gain of the smallest pack
  bool nearest_ = false;       // else at least the target
};

bool same_sizes(const HalfLayerCurve& x, const HalfLayerCurve& y) {
  return x.units == y.units && x.damage.size() == y.damage.size() && x.gain == y.gain &&
         x.gain_of_rest == y.gain_of_rest && x.pack == y.pack && x.stride == y.stride &&
         x.keep == y.keep;
}

// One curve a kind: the sum of its curves. `sums`, per curve: where it was added.
std::vector<HalfLayerCurve> add_up(std::span<const HalfLayerCurve> curves,
                                   std::vector<size_t>& sums) {
  std::vector<HalfLayerCurve> totals;
  std::vector<const HalfLayerCurve*> firsts;
  for (const HalfLayerCurve& curve : curves) {
    check(curve);
    const auto first = std::find_if(firsts.begin(), firsts.end(), [&](const HalfLayerCurve* other) {
      return other->kind == curve.kind;
    });
    sums.push_back(static_cast<size_t>(first - firsts.begin()));
    if (first == firsts.end()) {
      firsts.push_back(&curve);
      totals.push_back(curve);
      continue;
    }
    if (!same_sizes(**first, curve)) {
      throw bad_input("equal counts in every layer want equal layers: {} and {} differ",
                      name_of(**first), name_of(curve))
          .hint("leave `uniform` off");
    }
    HalfLayerCurve& total = totals[sums.back()];
    total.gain += curve.gain;
    total.gain_of_rest += curve.gain_of_rest;
    for (size_t k = 0; k < curve.damage.size(); ++k) total.damage[k] += curve.damage[k];
  }
  return totals;
}

}  // namespace

DamageAllocation allocate_by_damage(std::span<const HalfLayerCurve> curves,
                                    const DamageTarget& target) {
  if (!std::isfinite(target.gain))
    throw bad_input("a target of {} {}", target.gain, target.currency);
  if (!target.uniform) return Allocator(curves, target).run();
  std::vector<size_t> sums;
  const std::vector<HalfLayerCurve> totals = add_up(curves, sums);
  DamageAllocation result = Allocator(totals, target).run();
  const std::vector<int64_t> counts = std::move(result.counts);
  result.counts.clear();
  for (const size_t sum : sums) result.counts.push_back(counts[sum]);
  return result;
}

}  // namespace mop
