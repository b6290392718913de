// structure/unit.h -- the removable units of a decoder and what each is worth in parameters.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "model/config.h"

namespace mop {

/// Things that can be removed whole.
enum class UnitKind {
  kLayer,      ///< a whole decoder layer
  kAttention,  ///< the attention half of a layer, its norm included
  kMlp,        ///< the MLP half of a layer, its norm included
  kKvGroup,    ///< a KV head with all its query heads
  kNeuron,     ///< an MLP neuron: a row of gate and up, a column of down
  kChannel     ///< a channel of the residual stream, of the whole model
};

struct Unit {
  UnitKind kind;
  std::string_view name;     ///< "KV group"
  std::string_view summary;  ///< which rows and columns go with it
  /// Its name where a layer's KV heads have one query head each; empty = the same.
  std::string_view name_of_single = {};
};
/// In the order of `UnitKind`.
std::span<const Unit> all_units();

std::string_view unit_name(UnitKind kind);
/// As it is called in a layer of this shape.
std::string_view unit_name(UnitKind kind, const LayerShape& shape);

/// How many units of this kind a layer has; 0 channels, which are the model's.
int64_t num_units(UnitKind kind, const LayerShape& shape);
/// The same, with the model's channels.
int64_t num_units(UnitKind kind, const ModelConfig& config, const LayerShape& shape);

/// Parameters that go with one unit, biases included: the difference of `layer_parameters` with and
/// without. Of a channel: of the whole model, whatever the layer.
int64_t unit_parameters(UnitKind kind, const ModelConfig& config, const LayerShape& shape);

/// Throws Error(kBadInput) for a model whose hidden channels must stay: another part writes into
/// the residual stream (LLaVA's projector).
void check_channels_may_go(const ModelConfig& config);

}  // namespace mop
