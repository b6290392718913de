// criteria/moment_scores.h -- scores from second moments, computed while one half layer's matrices
// exist.
#pragma once
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "criteria/criterion.h"

namespace mop {

/// Damping for all that solves with second moments: see damping_or_default in
/// solve/least_squares.h.
inline const Option<double> kDamping = {
    .name = "damping",
    .default_value = 0,
    .range = at_least(0),
    .help =
        "ridge of the inputs' second moments, as a fraction of their mean; 0 = 0.01, or 0.1 "
        "with few tokens"};

/// Returns o_proj or down_proj of a layer, stored dtype, CPU.
at::Tensor last_projection(const Model& model, int64_t layer, Half half);

/// Number of that projection's inputs per unit: a KV group's channels, or 1 for a neuron.
int64_t inputs_of_unit(const LayerShape& shape, Half half);

/// Scores every layer by those of `criteria` that use second moments, in one forward pass over the
/// samples: by name, one tensor per layer, empty for layers without such units. `settings` are the
/// criteria's sections. Throws as `score_layers` does.
std::map<std::string, std::vector<at::Tensor>> score_moments(
    const Model& model, const Compute& compute, const TokenSamples& samples,
    std::span<const std::string> criteria, const std::map<std::string, Options>& settings,
    const std::filesystem::path& scratch, Progress& progress);

}  // namespace mop
