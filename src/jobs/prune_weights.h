// jobs/prune_weights.h -- the section `weights` of a pruning recipe: sparsity of single weights
// in the remaining model.
#pragma once
#include <filesystem>
#include <string>

#include "base/json.h"
#include "jobs/prepared_run.h"
#include "recipe/weights_section.h"
#include "run/needs.h"

namespace mop {

/// Additional needs, for a pruned model with the shapes of `config`.
Needs weights_needs(const Json& weights, const ModelConfig& config, const Compute& compute,
                    int64_t tokens, int64_t stored_bytes_per_parameter);

/// Returns the model with zeros, selected on the run's calibration samples; changed tensors are
/// stored in `scratch`.
Model sparsified(const PreparedRun& run, const Model& pruned, const std::filesystem::path& scratch,
                 Progress& progress);

/// Returns {method, pattern | sparsity, zeros, weights, zero_fraction} of the projections.
Json weights_metrics(const Json& weights, const Model& model);

/// Throws Error(kUsage) if a pattern's groups do not divide the inputs that projections will have,
/// `after` where the sizes are known.
void check_weights(const PreparedRun& run, const ModelConfig& after);

}  // namespace mop
