// tests/unit/export/pruned.h -- a model with a layer, a KV group and some neurons taken out by
// hand.
#pragma once
#include <vector>

#include "model/model.h"

namespace mop::testing {

/// Leaves out layer `without`, the first KV group of every layer and every third neuron.
inline Model prune_by_hand(const Model& model, int64_t without = 1) {
  std::vector<Layer> layers;
  for (int64_t i = 0; i < model.num_layers(); ++i) {
    if (i == without) continue;
    Layer layer = model.layers()[static_cast<size_t>(i)];
    const LayerShape& shape = model.config().layers[static_cast<size_t>(i)];
    layer.kv_heads.erase(layer.kv_heads.begin());
    layer.heads.erase(layer.heads.begin(), layer.heads.begin() + shape.group());
    std::erase_if(layer.neurons, [](int32_t neuron) { return neuron % 3 == 2; });
    layers.push_back(layer);
  }
  return model.with_layers(layers);
}

}  // namespace mop::testing
