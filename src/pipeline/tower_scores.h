// pipeline/tower_scores.h -- scores of a vision tower's heads and neurons. Criteria are those of a
// language model's units: a tower's layers are given to them in the same form.
#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/progress.h"
#include "model/model.h"
#include "model/weights.h"
#include "pipeline/pictures.h"
#include "text/samples.h"

namespace mop {

/// Whether one of these criteria is measured on pictures. Throws Error(kUsage) for one that is not
/// scored on a tower.
bool tower_reads_pictures(std::span<const std::string> criteria);

/// Scores of every layer of `model`'s tower that is computed: by criterion, a tensor a layer,
/// float64. Statistics are of the samples' pictures, each of which counts as a prompt; losses are
/// those of the samples that have pictures. `pictures` may be null where none are read; `settings`
/// are the criteria's sections. Throws as `score_layers` does.
std::map<std::string, std::vector<at::Tensor>> score_tower(
    const Model& model, const Compute& compute, const TokenSamples& samples,
    const Pictures* pictures, std::span<const std::string> criteria,
    const std::map<std::string, Options>& settings, Progress& progress);

}  // namespace mop
