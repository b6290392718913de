// eval/prefix_walk.h -- several models over the same tokens, layer by layer; they part where they
// differ.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "eval/packed_groups.h"
#include "model/weights.h"

namespace mop {

/// hidden_ND after the last layer of every model, in order. Models of one checkpoint that begin
/// with the same layers compute them once; two whose layers are all the same get the same tensor.
/// At most one copy of the hidden states is alive for every model. `after_layer` is called after
/// each layer that really ran.
std::vector<at::Tensor> walk_models(std::span<const Model* const> models, const PackedGroup& group,
                                    const Compute& compute,
                                    const std::function<void()>& after_layer);

}  // namespace mop
