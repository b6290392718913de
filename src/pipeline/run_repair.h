// pipeline/run_repair.h -- the section `repair` of a pruning recipe: new values for the remaining
// weights, layer by layer, before any training of the whole model.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "pipeline/needs.h"
#include "pipeline/run_plan.h"
#include "repair/repair.h"

namespace mop {

/// Returns {method, damping, when} with defaults, and {steps, learning_rate} for a method that
/// trains. Throws Error(kUsage) for an unknown method, a key of another method, or a number out of
/// range. `when`: end (once, after all steps) or steps (every candidate before it is evaluated; a
/// method's final pass still runs once at the end).
Json resolved_repair(const Json& section);
/// Whether a resolved section (null = none) repairs every step.
bool repairs_steps(const Json& repair);

/// Returns the passes after all steps, in order; empty for a null section.
std::vector<RepairPass> repairs_at_end(const Json& repair);
/// Returns the pass for every candidate, if steps are repaired.
const RepairPass& repair_of_steps(const Json& repair);

/// Whether the method trains.
bool repair_trains(const Json& repair);

/// Describes the method, and the cost of training for `tokens` tokens of calibration text.
std::string repair_text(const Json& repair, int64_t tokens);

/// Additional needs, for a pruned model with the shapes of `config`.
Needs repair_needs(const Json& repair, const ModelConfig& config, const Compute& compute,
                   int64_t tokens, int64_t stored_bytes_per_parameter);

/// Returns the pruned model with new values computed from the run's calibration samples; they are
/// stored in `scratch`.
Model repaired(const RepairPass& pass, const PreparedRun& run, const Model& pruned,
               const std::filesystem::path& scratch, Progress& progress);

}  // namespace mop
