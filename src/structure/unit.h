// structure/unit.h -- the removable units of a decoder and their numbers of parameters.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "model/config.h"

namespace mop {

/// Kinds of units that can be removed.
enum class UnitKind {
  kLayer,      ///< a whole decoder layer
  kAttention,  ///< the attention half of a layer, its norm included
  kMlp,        ///< the MLP half of a layer, its norm included
  kKvGroup,    ///< a KV head with all its query heads
  kNeuron,     ///< an MLP neuron: a row of gate and up, a column of down
  kChannel     ///< a channel of the residual stream, in all layers
};

struct Unit {
  UnitKind kind;
  std::string_view name;     ///< "KV group"
  std::string_view summary;  ///< the rows and columns that it consists of
  /// Its name if each KV head of a layer has one query head; empty = `name`.
  std::string_view name_of_single = {};
};
/// In the order of `UnitKind`.
std::span<const Unit> all_units();

std::string_view unit_name(UnitKind kind);
/// Returns the name for a layer of this shape.
std::string_view unit_name(UnitKind kind, const LayerShape& shape);

/// Number of units of this kind in a layer; 0 for channels, which belong to the model.
int64_t num_units(UnitKind kind, const LayerShape& shape);
/// The same, including the model's channels.
int64_t num_units(UnitKind kind, const ModelConfig& config, const LayerShape& shape);

/// Parameters of one unit, biases included: the difference of `layer_parameters` with and without
/// it. For a channel: of the whole model, independent of the layer.
int64_t unit_parameters(UnitKind kind, const ModelConfig& config, const LayerShape& shape);

/// Throws Error(kBadInput) for a model whose hidden channels cannot be removed because another part
/// writes into the residual stream (LLaVA's projector).
void check_channels_may_go(const ModelConfig& config);

}  // namespace mop
