// pipeline/tower_losses.h -- what a change of one layer of the vision tower does to the loss of
// what is said about pictures.
#pragma once
#include <cstdint>
#include <functional>

#include "base/progress.h"
#include "model/model.h"
#include "model/weights.h"
#include "pipeline/pictures.h"
#include "stats/layer_losses.h"
#include "text/samples.h"

namespace mop {

/// Visits every layer of the tower that is computed, from the first on, as `walk_layer_losses` does
/// a language model's; samples without pictures are left out. In memory: the hidden states of all
/// their pictures at the layer. Throws Error(kBadInput) when no sample has a picture and a word.
void walk_tower_losses(const Model& model, const Compute& compute, const TokenSamples& samples,
                       const Pictures& pictures, int64_t batch_samples,
                       const std::function<void(int64_t layer, LayerLosses& losses)>& visit,
                       Progress& progress = silent_progress());

}  // namespace mop
