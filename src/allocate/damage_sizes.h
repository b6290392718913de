// allocate/damage_sizes.h -- shared by solvers over damage curves: the possible sizes of a half
// layer, the tolerance of the target, and curves summed over layers.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "allocate/damage.h"
#include "base/error.h"

namespace mop {

/// Tolerance for rounding of sums of gains, as a fraction of the target.
inline constexpr double kGainRounding = 1e-9;

/// One possible size of a half layer.
struct DamageSize {
  int64_t gone = 0;  ///< removed units
  double gain = 0, damage = 0;
};

/// All sizes of one half layer, starting with the full one.
struct DamageSizes {
  std::vector<DamageSize> all;
  std::vector<size_t> coarse = {0};  ///< indices in `all` one stride apart, and the last
};

/// Throws Error(kBadInput) for a curve that is inconsistent with its own sizes.
DamageSizes sizes_of(const HalfLayerCurve& curve);

/// Range of accepted gains: at least the target and less than `smallest` beyond it; with `nearest`,
/// within half of `smallest` of it.
struct TargetWindow {
  double target = 0;
  double smallest = 0;   ///< gain of the smallest pack
  bool nearest = false;  ///< set if that pack has several units
  double slack() const;
  double least() const;  ///< minimum gain
  double limit() const;  ///< exclusive maximum gain
};

/// Returns the gain of removing all that the curve's half layer may lose, whatever its damage.
double removable_gain(const HalfLayerCurve& curve);
/// Returns the error for a target above `most`, the gain of removing all that may be removed.
Error beyond_all_units(const DamageTarget& target, double most);

/// Throws `beyond_all_units` if removing all allowed units is not enough.
TargetWindow window_of(std::span<const HalfLayerCurve> curves, std::span<const DamageSizes> sizes,
                       const DamageTarget& target);

using CurveSolver = std::function<DamageAllocation(std::span<const HalfLayerCurve> curves,
                                                   const DamageTarget& target)>;
/// Calls `solve` on the curves or, with `target.uniform`, on the sums of all curves of each kind.
DamageAllocation solve_curves(std::span<const HalfLayerCurve> curves, const DamageTarget& target,
                              const CurveSolver& solve);

}  // namespace mop
