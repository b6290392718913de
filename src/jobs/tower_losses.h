// jobs/tower_losses.h -- the loss of texts with images as a function of changes to one layer of
// the vision tower.
#pragma once
#include <cstdint>
#include <functional>

#include "base/progress.h"
#include "model/model.h"
#include "model/weights.h"
#include "run/pictures.h"
#include "stats/layer_losses.h"
#include "text/samples.h"

namespace mop {

/// Visits every computed layer of the tower, first to last, as `walk_layer_losses` does for a
/// language model; samples without images are skipped. Memory: the hidden states of all their
/// images at one layer. Throws Error(kBadInput) if no sample has an image and text.
void walk_tower_losses(const Model& model, const Compute& compute, const TokenSamples& samples,
                       const Pictures& pictures, int64_t batch_samples,
                       const std::function<void(int64_t layer, LayerLosses& losses)>& visit,
                       Progress& progress = silent_progress());

}  // namespace mop
