// allocate/damage_sizes.cc
#include "allocate/damage_sizes.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace mop {
namespace {

std::string name_of(const HalfLayerCurve& curve) {
  return fmt::format("the {} curve of layer {}", unit_name(curve.kind), curve.layer);
}

void check(const HalfLayerCurve& c) {
  if (c.units < 0 || std::ssize(c.damage) > c.units || c.pack < 1 || c.stride < 1 || c.keep < 0) {
    throw bad_input("{} has {} values for {} units, packs of {}, {} to keep", name_of(c),
                    c.damage.size(), c.units, c.pack, c.keep);
  }
  if (!(c.gain >= 0 && c.gain_of_rest >= 0) || !std::isfinite(c.gain + c.gain_of_rest)) {
    throw bad_input("{} has a gain of {} per unit and {} for the rest, expected at least 0",
                    name_of(c), c.gain, c.gain_of_rest);
  }
  double before = 0;
  for (const double damage : c.damage) {
    if (!std::isfinite(damage) || damage < before) {
      throw bad_input("{} decreases or is not finite: {} after {}", name_of(c), damage, before);
    }
    before = damage;
  }
  if (c.damage_of_all && !(std::isfinite(*c.damage_of_all) && *c.damage_of_all >= 0)) {
    throw bad_input("{} ends at {}, expected a number of at least 0", name_of(c), *c.damage_of_all);
  }
}

DamageSize size_without(const HalfLayerCurve& curve, int64_t gone) {
  if (gone == 0) return {};
  const bool all = gone == curve.units;
  const double rest = all ? curve.gain_of_rest : 0;
  return {gone, static_cast<double>(gone) * curve.gain + rest,
          all && curve.damage_of_all ? *curve.damage_of_all
                                     : curve.damage[static_cast<size_t>(gone - 1)]};
}

bool same_sizes(const HalfLayerCurve& x, const HalfLayerCurve& y) {
  return x.units == y.units && x.damage.size() == y.damage.size() && x.gain == y.gain &&
         x.gain_of_rest == y.gain_of_rest && x.pack == y.pack && x.stride == y.stride &&
         x.keep == y.keep;
}

// Returns one curve per kind, the sum of its curves. `sums`: the index of each curve's sum.
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
      throw bad_input("equal counts in every layer need equal layers, but {} and {} differ",
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

DamageSizes sizes_of(const HalfLayerCurve& curve) {
  check(curve);
  DamageSizes sizes{{size_without(curve, 0)}};
  if (curve.gain <= 0) {
    // There is no gain before the last unit is removed.
    const bool may_go_whole = curve.keep == 0 && std::ssize(curve.damage) == curve.units;
    if (curve.gain_of_rest <= 0 || curve.units == 0 || !may_go_whole) return sizes;
    sizes.all.push_back(size_without(curve, curve.units));
    sizes.coarse.push_back(1);
    return sizes;
  }
  const int64_t most = std::min(std::ssize(curve.damage), curve.units - curve.keep);
  const int64_t first = curve.units % curve.pack == 0 ? curve.pack : curve.units % curve.pack;
  for (int64_t gone = first; gone <= most; gone += curve.pack) {
    if (gone - sizes.all[sizes.coarse.back()].gone >= curve.stride) {
      sizes.coarse.push_back(sizes.all.size());
    }
    sizes.all.push_back(size_without(curve, gone));
  }
  if (sizes.coarse.back() + 1 < sizes.all.size()) sizes.coarse.push_back(sizes.all.size() - 1);
  return sizes;
}

double removable_gain(const HalfLayerCurve& curve) {
  return curve.gain * static_cast<double>(curve.units - curve.keep) +
         (curve.keep == 0 ? curve.gain_of_rest : 0);
}

Error beyond_all_units(const DamageTarget& target, double most) {
  return bad_input("{:.0f} {} cannot be removed: all removable units have {:.0f}", target.gain,
                   target.currency, most)
      .hint("lower the target, or let layers keep fewer units");
}

double TargetWindow::slack() const { return kGainRounding * std::abs(target); }
double TargetWindow::least() const { return target - slack() - (nearest ? smallest / 2 : 0); }
double TargetWindow::limit() const {
  return target + (nearest ? smallest / 2 : smallest) - slack();
}

TargetWindow window_of(std::span<const HalfLayerCurve> curves, std::span<const DamageSizes> sizes,
                       const DamageTarget& target) {
  TargetWindow window{target.gain};
  double most = 0;
  for (size_t i = 0; i < curves.size(); ++i) {
    most += sizes[i].all.back().gain;
    const double pack = curves[i].gain * static_cast<double>(curves[i].pack);
    if (sizes[i].all.size() < 2 || pack <= 0) continue;
    if (window.smallest > 0 && pack >= window.smallest) continue;
    window.smallest = pack;
    window.nearest = curves[i].pack > 1 && !target.in_full;
  }
  if (most >= window.least()) return window;
  throw beyond_all_units(target, most);
}

DamageAllocation solve_curves(std::span<const HalfLayerCurve> curves, const DamageTarget& target,
                              const CurveSolver& solve) {
  if (!std::isfinite(target.gain))
    throw bad_input("a target of {} {}", target.gain, target.currency);
  if (!target.uniform) return solve(curves, target);
  std::vector<size_t> sums;
  const std::vector<HalfLayerCurve> totals = add_up(curves, sums);
  DamageAllocation result = solve(totals, target);
  const std::vector<int64_t> counts = std::move(result.counts);
  result.counts.clear();
  for (const size_t sum : sums) result.counts.push_back(counts[sum]);
  return result;
}

}  // namespace mop
