// criteria/moment_scores.h -- scores from second moments, whose matrices exist for one half layer
// at a time.
#pragma once
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "criteria/criterion.h"

namespace mop {

/// Of whatever solves with second moments: see damping_or_default in solve/least_squares.h.
inline const Option<double> kDamping = {
    .name = "damping",
    .default_value = 0,
    .range = at_least(0),
    .help =
        "ridge of the inputs' second moments, a fraction of their mean; 0 chooses 0.01, or 0.1 "
        "with little text"};

/// o_proj or down_proj of a layer as stored, by its half. CPU.
at::Tensor last_projection(const Model& model, int64_t layer, Half half);

/// Inputs of that projection that go together: a KV group's channels, or one neuron.
int64_t inputs_of_unit(const LayerShape& shape, Half half);

/// Scores of every layer by the criteria among `criteria` that are scored by second moments, from
/// one forward pass over the samples: by name, a tensor a layer, empty where it has no such units.
/// `settings` are the criteria's sections. Throws as `score_layers` does.
std::map<std::string, std::vector<at::Tensor>> score_moments(
    const Model& model, const Compute& compute, const TokenSamples& samples,
    std::span<const std::string> criteria, const std::map<std::string, Options>& settings,
    const std::filesystem::path& scratch, Progress& progress);

}  // namespace mop
