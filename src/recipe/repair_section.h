// recipe/repair_section.h -- the section `repair` of a pruning recipe.
#pragma once
#include <vector>

#include "base/json.h"
#include "repair/repair.h"

namespace mop {

/// Whether the recipe has the section, and not only to disable the default method's repair
/// (`none`).
bool asks_for_repair(const Json& recipe);

/// Returns {method, when} and the method's own settings with defaults. Throws Error(kUsage) for an
/// unknown method, a key of another method, a number out of range, or `when: steps` for a method
/// that adds tensors. `when`: end (once, after all steps) or steps (every candidate before it is
/// evaluated; a method's final pass still runs once at the end).
Json resolved_repair(const Json& section);

/// Whether a resolved section (null = none) repairs every step.
bool repairs_steps(const Json& repair);

/// Returns the passes after all steps, in order; empty for a null section.
std::vector<RepairPass> repairs_at_end(const Json& repair);

/// Returns the pass for every candidate, if steps are repaired.
const RepairPass& repair_of_steps(const Json& repair);

/// Whether the method gives the model tensors that it did not have; they are counted by no step.
bool repair_adds_tensors(const Json& repair);

/// Whether the method trains.
bool repair_trains(const Json& repair);

}  // namespace mop
