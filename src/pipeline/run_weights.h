// pipeline/run_weights.h -- the section `weights` of a pruning recipe: single weights of what is
// left become zero.
#pragma once
#include <filesystem>
#include <string>

#include "base/json.h"
#include "pipeline/needs.h"
#include "pipeline/run_plan.h"

namespace mop {

/// {method, sparsity | pattern} with defaults filled in, and {damping, block} or {seed} of methods
/// that have them. Throws Error(kUsage) for an unknown method, a key that is not the method's, a
/// number out of range.
Json resolved_weights(const Json& section, uint64_t seed);

/// Before the work: throws Error(kUsage) where a pattern's groups do not fit the inputs of the
/// projections, of `config` and, where the result's sizes are known, of all its layers.
void check_pattern(const Json& weights, const ModelConfig& config, bool sizes_are_known);

/// "sparsegpt, 2:4", for people.
std::string weights_text(const Json& weights);

/// What it needs beside pruning, for a model that pruning leaves with the shapes of `config`.
Needs weights_needs(const Json& weights, const ModelConfig& config, const Compute& compute,
                    int64_t tokens, int64_t stored_bytes_per_parameter);

/// The model with zeros, chosen by the run's calibration samples. They lie in `scratch`.
Model sparsified(const PreparedRun& run, const Model& pruned, const std::filesystem::path& scratch,
                 Progress& progress);

/// {method, pattern | sparsity, zeros, weights, zero_fraction}: what the projections came to.
Json weights_metrics(const Json& weights, const Model& model);

}  // namespace mop
