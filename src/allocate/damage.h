// allocate/damage.h -- allocation by damage: how many units each half layer loses, by the predicted
// increase of the loss.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "structure/unit.h"

namespace mop {

/// The damage of one half layer as a function of the number of removed units, and the gain of
/// removing them.
struct HalfLayerCurve {
  int64_t layer = 0;
  UnitKind kind = UnitKind::kNeuron;
  int64_t units = 0;                ///< of the half layer
  std::vector<double> damage = {};  ///< [k]: with k + 1 units removed; cumulative, non-decreasing
  /// Damage of removing all units, if it differs from the end of `damage`: the projection before
  /// the half may compensate for its removal, so this may be less than with a few units left.
  std::optional<double> damage_of_all = std::nullopt;
  /// Gain of removing one unit, in the currency of the target: parameters, ms, bytes of KV cache.
  double gain = 0;
  double gain_of_rest = 0;  ///< additional gain of removing the last unit: norm, biases
  int64_t pack = 1;         ///< the number of kept units is a multiple of this, or `units`
  int64_t stride = 1;       ///< units between sizes considered before the final correction
  int64_t keep = 0;         ///< minimum number of kept units
};

struct DamageTarget {
  double gain = 0;                      ///< required, in the currency of the curves
  std::string currency = "parameters";  ///< name in messages
  /// Remove the same number of units from every layer, as some readers require: curves of one kind
  /// are summed. All curves of a kind must then have the same sizes.
  bool uniform = false;
  bool in_full = false;  ///< round packs of several units up instead of to the nearest
};

struct DamageAllocation {
  std::vector<int64_t> counts;  ///< removed units, per curve
  double gain = 0;              ///< total gain
  double damage = 0;            ///< sum of the curves: the predicted increase of the loss
};

/// Finds sizes of low damage that reach the target: follows the lower convex hulls of all curves by
/// damage per gain while steps fit; then adds single packs of least damage per gain. The gain is at
/// least the target and exceeds it by less than the smallest pack; if that has several units
/// (`pack` > 1), it is the nearest to the target unless `in_full`. (With `uniform`, a pack of every
/// layer.) The excess is larger only if all remaining units are larger. Half layers without a gain
/// lose nothing. Ties: the lower layer, then the earlier curve. Throws Error(kBadInput) if removing
/// all allowed units is not enough, and for curves that are inconsistent with their own sizes or,
/// with `uniform`, with each other.
DamageAllocation allocate_by_damage(std::span<const HalfLayerCurve> curves,
                                    const DamageTarget& target);

/// The same with the least total damage, by dynamic programming: see `best_sizes` in
/// allocate/programming.h. Throws as above.
DamageAllocation allocate_by_programming(std::span<const HalfLayerCurve> curves,
                                         const DamageTarget& target);

}  // namespace mop
