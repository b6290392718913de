// plan/reach.h -- what a branch may remove, known before anything is measured.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "structure/unit.h"

namespace mop {

inline constexpr int64_t kAllUnits = INT64_MAX;

/// Sizes that a branch leaves in multiples of one of its settings.
struct SizeMultiple {
  UnitKind unit;  ///< kNeuron: MLP widths; kKvGroup: heads * head_dim; kChannel: the hidden size
  int64_t multiple = 1;
  std::string_view setting;  ///< its name in the branch's section
};

/// Units that stay in every layer at least; kAllUnits = all of them.
struct KeptUnits {
  int64_t kv_groups = kAllUnits, neurons = kAllUnits;
};

/// What a branch may remove with its settings, known before anything is measured. What a run
/// forecasts, checks and tells about a branch follows from it, so that only the branch reads its
/// settings.
struct Reach {
  std::vector<SizeMultiple> multiples;  ///< empty = it does not narrow layers
  /// Of layers that lose no whole part. nullopt = unknown: it removes something else than KV groups
  /// and neurons of the language model.
  std::optional<KeptUnits> kept;
  bool whole_parts = true;     ///< whole layers or halves may go
  bool layers_differ = false;  ///< layers of equal shape may become different
  /// Neurons make up for the parameters that multiples of KV groups leave of a budget.
  bool neurons_fill = false;
};

/// Returns the multiple of these sizes, if the branch leaves them in multiples.
std::optional<int64_t> multiple_of(const Reach& reach, UnitKind unit);

}  // namespace mop
