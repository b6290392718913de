// jobs/tower_scores.h -- scores of a vision tower's heads and neurons, by the criteria of
// language models: the tower's layers are passed to them in the same form.
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
#include "run/pictures.h"
#include "text/samples.h"

namespace mop {

/// Whether any of these criteria needs images. Throws Error(kUsage) for a criterion that does not
/// support towers.
bool tower_reads_pictures(std::span<const std::string> criteria);

/// Returns the scores of every computed layer of `model`'s tower: by criterion, one float64 tensor
/// per layer. Statistics are taken over the samples' images, each counting as a prompt; losses over
/// the samples that have images. `pictures` may be null if none are needed; `settings` are the
/// criteria's sections. Throws as `score_layers` does.
std::map<std::string, std::vector<at::Tensor>> score_tower(
    const Model& model, const Compute& compute, const TokenSamples& samples,
    const Pictures* pictures, std::span<const std::string> criteria,
    const std::map<std::string, Options>& settings, Progress& progress);

}  // namespace mop
