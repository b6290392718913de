// pipeline/run_weights.h -- the section `weights` of a pruning recipe: sparsity of single weights
// in the remaining model.
#pragma once
#include <filesystem>
#include <string>

#include "base/json.h"
#include "pipeline/needs.h"
#include "pipeline/run_plan.h"

namespace mop {

/// Returns {method, sparsity | pattern} with defaults, and {damping, block} or {seed} for methods
/// that have them. Throws Error(kUsage) for an unknown method, a key of another method, or a number
/// out of range.
Json resolved_weights(const Json& section, uint64_t seed);

/// Throws Error(kUsage) if a pattern's groups do not divide the inputs of the projections, for
/// `config` and, if the result's sizes are known, for all its layers.
void check_pattern(const Json& weights, const ModelConfig& config, bool sizes_are_known);

/// Describes the section, e.g. "sparsegpt, 2:4".
std::string weights_text(const Json& weights);

/// Additional needs, for a pruned model with the shapes of `config`.
Needs weights_needs(const Json& weights, const ModelConfig& config, const Compute& compute,
                    int64_t tokens, int64_t stored_bytes_per_parameter);

/// Returns the model with zeros, selected on the run's calibration samples; changed tensors are
/// stored in `scratch`.
Model sparsified(const PreparedRun& run, const Model& pruned, const std::filesystem::path& scratch,
                 Progress& progress);

/// Returns {method, pattern | sparsity, zeros, weights, zero_fraction} of the projections.
Json weights_metrics(const Json& weights, const Model& model);

}  // namespace mop
