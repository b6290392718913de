// eval/prefix_walk.h -- runs several models on the same tokens and computes shared first layers
// once.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "eval/packed_groups.h"
#include "model/weights.h"

namespace mop {

/// Returns hidden_ND after the last layer of every model, in order. Models of one checkpoint
/// compute equal first layers once; two models with equal layers get the same tensor. Holds at most
/// one copy of the hidden states per model. Calls `after_layer` after each layer computed.
std::vector<at::Tensor> walk_models(std::span<const Model* const> models, const PackedGroup& group,
                                    const Compute& compute,
                                    const std::function<void()>& after_layer);

}  // namespace mop
