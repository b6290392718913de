// pipeline/run_repair.h -- the section `repair` of a pruning recipe: new values for what pruning
// left, before any training.
#pragma once
#include <filesystem>

#include "base/json.h"
#include "pipeline/needs.h"
#include "pipeline/run_plan.h"
#include "repair/repair.h"

namespace mop {

/// {method, damping, when}, its defaults filled in. Throws Error(kUsage) for an unknown method or key.
/// `when`: end (once, of what all steps left) or steps (of every candidate, before it is judged).
Json resolved_repair(const Json& section);
/// Whether a resolved section, null for none, repairs every step.
bool repairs_steps(const Json& repair);

/// What it needs beside pruning, for a model that pruning leaves with the shapes of `config`.
Needs repair_needs(const ModelConfig& config, const Compute& compute, int64_t tokens,
                   int64_t stored_bytes_per_parameter);

/// The pruned model with new values, from the run's calibration samples. They lie in `scratch`.
Model repaired(const PreparedRun& run, const Model& pruned, const std::filesystem::path& scratch,
               Progress& progress);

}  // namespace mop
