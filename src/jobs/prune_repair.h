// jobs/prune_repair.h -- the section `repair` of a pruning recipe: new values for the remaining
// weights, layer by layer, before any training of the whole model.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "jobs/prepared_run.h"
#include "recipe/repair_section.h"
#include "repair/repair.h"
#include "run/needs.h"

namespace mop {

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
