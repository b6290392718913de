// allocate/damage_sizes.h -- what solvers over damage curves share: the sizes that a half layer may
// have, how near a result must come to its target, and curves that are added up over the layers.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "allocate/damage.h"

namespace mop {

/// Sums of gains in other orders differ by rounding; a fraction of the target.
inline constexpr double kGainRounding = 1e-9;

/// One size that a half layer may have.
struct DamageSize {
  int64_t gone = 0;  ///< units
  double gain = 0, damage = 0;
};

/// All sizes of one half layer, the whole one first.
struct DamageSizes {
  std::vector<DamageSize> all;
  std::vector<size_t> coarse = {0};  ///< of `all`: those that are a stride apart, and the last
};

/// Throws Error(kBadInput) for a curve that does not fit its own sizes.
DamageSizes sizes_of(const HalfLayerCurve& curve);

/// How near to its target a result must come: at least the target, and beyond it by less than
/// `smallest`; with `nearest` within half of `smallest`.
struct TargetWindow {
  double target = 0;
  double smallest = 0;   ///< gain of the smallest pack
  bool nearest = false;  ///< that pack has several units
  double slack() const;
  double least() const;  ///< gain of a result
  double limit() const;  ///< which a result stays below
};

/// Throws Error(kBadInput) when all that may go is not enough.
TargetWindow window_of(std::span<const HalfLayerCurve> curves, std::span<const DamageSizes> sizes,
                       const DamageTarget& target);

using CurveSolver = std::function<DamageAllocation(std::span<const HalfLayerCurve> curves,
                                                   const DamageTarget& target)>;
/// `solve` of the curves, with `target.uniform` of the sums of all curves of a kind.
DamageAllocation solve_curves(std::span<const HalfLayerCurve> curves, const DamageTarget& target,
                              const CurveSolver& solve);

}  // namespace mop
