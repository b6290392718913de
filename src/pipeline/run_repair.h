// pipeline/run_repair.h -- the section `repair` of a pruning recipe: new values for what pruning
// left, layer by layer, before any training of the whole model.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "pipeline/needs.h"
#include "pipeline/run_plan.h"
#include "repair/repair.h"

namespace mop {

/// {method, damping, when}, its defaults filled in, and {steps, learning_rate} of a method that
/// trains. Throws Error(kUsage) for an unknown method, a key that is not the method's, a number out
/// of range. `when`: end (once, of what all steps left) or steps (of every candidate, before it is
/// judged; what a method does to finish comes once at the end all the same).
Json resolved_repair(const Json& section);
/// Whether a resolved section, null for none, repairs every step.
bool repairs_steps(const Json& repair);

/// What is done to what all steps left, in order; nothing for a null section.
std::vector<RepairPass> repairs_at_end(const Json& repair);
/// What is done to every candidate where steps are repaired.
const RepairPass& repair_of_steps(const Json& repair);

/// Whether the method trains.
bool repair_trains(const Json& repair);

/// The method, and what training costs beside `tokens` of calibration text, for people.
std::string repair_text(const Json& repair, int64_t tokens);

/// What it needs beside pruning, for a model that pruning leaves with the shapes of `config`.
Needs repair_needs(const Json& repair, const ModelConfig& config, const Compute& compute,
                   int64_t tokens, int64_t stored_bytes_per_parameter);

/// The pruned model with new values, from the run's calibration samples. They lie in `scratch`.
Model repaired(const RepairPass& pass, const PreparedRun& run, const Model& pruned,
               const std::filesystem::path& scratch, Progress& progress);

}  // namespace mop
