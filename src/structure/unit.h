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
  kNeuron      ///< an MLP neuron: a row of gate and up, a column of down
};

std::string_view unit_name(UnitKind kind);

/// How many units of this kind a layer has.
int64_t num_units(UnitKind kind, const LayerShape& shape);

/// Parameters that go with one unit, biases included: the difference of `layer_parameters` with and
/// without.
int64_t unit_parameters(UnitKind kind, const ModelConfig& config, const LayerShape& shape);

}  // namespace mop
