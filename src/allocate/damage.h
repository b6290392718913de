// allocate/damage.h -- how many units go from every half layer, by what their going costs the loss.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "structure/unit.h"

namespace mop {

/// What the units of one half layer cost the loss, and what is won when they go.
struct HalfLayerCurve {
  int64_t layer = 0;
  UnitKind kind = UnitKind::kNeuron;
  int64_t units = 0;           ///< the half layer has
  std::vector<double> damage;  ///< [k]: with k + 1 units gone; cumulative, never falls
  /// With no unit left, where that is known to be another than the end of `damage`: what is before
  /// a half that goes whole may take over what it added, so this may be less than with few units
  /// left.
  std::optional<double> damage_of_all = std::nullopt;
  /// What one unit's going wins, in the currency of the target: parameters, ms, bytes of KV cache.
  double gain = 0;
  double gain_of_rest = 0;  ///< won besides when no unit is left: norm, biases
  int64_t pack = 1;         ///< the number of units kept is a multiple of this, or `units`
  int64_t stride = 1;       ///< units between two sizes looked at before the last correction
  int64_t keep = 0;         ///< units that stay
};

struct DamageTarget {
  double gain = 0;                      ///< to be reached, in the currency of the curves
  std::string currency = "parameters";  ///< as messages name it
  /// The same number of units from every layer, as some readers want it: curves of one kind are
  /// added up. All curves of a kind must then have the same sizes.
  bool uniform = false;
  bool in_full = false;  ///< packs of several units are rounded up, too, not to the nearest
};

struct DamageAllocation {
  std::vector<int64_t> counts;  ///< units that go, per curve
  double gain = 0;              ///< what that wins
  double damage = 0;            ///< the sum of the curves there: the predicted increase of the loss
};

/// Sizes of least damage that reach the target: follows the lower convex hulls of all curves, by
/// damage per gain, as long as steps fit; then single packs of least damage per gain close. The
/// gain is at least the target and beyond it by less than the smallest pack; where that has several
/// units (`pack` > 1) it is the nearest to the target, unless that is to be reached `in_full`.
/// (With `uniform`, a pack of every layer.) Where only larger units are left, the excess is what
/// they make it. Half layers without a gain lose nothing. Ties: the lower layer, then the earlier
/// curve. Throws Error(kBadInput) when all that may go is not enough, and for curves that do not
/// fit their own sizes or, with `uniform`, each other.
DamageAllocation allocate_by_damage(std::span<const HalfLayerCurve> curves,
                                    const DamageTarget& target);

/// The same target, where the sum of the damages is the least there is, by dynamic programming: see
/// `best_sizes` in allocate/programming.h. Throws as above.
DamageAllocation allocate_by_programming(std::span<const HalfLayerCurve> curves,
                                         const DamageTarget& target);

}  // namespace mop
