// structure/unit.cc -- names, counts and parameters of units.
#include "structure/unit.h"

#include <array>

#include "base/error.h"
#include "model/composite.h"
#include "model/family.h"

namespace mop {
namespace {

// The cost of an additional unit. Costs are linear in the units while at least one exists; adding
// rather than removing keeps the half's norm out of the difference for the last unit.
int64_t cost_of_one_more(const ModelConfig& config, LayerShape shape, int64_t groups,
                         int64_t neurons) {
  const int64_t before = layer_parameters(config, shape);
  shape.heads += groups * shape.group();
  shape.kv_heads += groups;
  shape.mlp += neurons;
  return layer_parameters(config, shape) - before;
}

int64_t cost_of_channel(const ModelConfig& config) {
  ModelConfig wider = config;
  ++wider.hidden;
  return language_parameters(wider) - language_parameters(config);
}

// Parameters of the layer's attention or MLP half.
int64_t half_parameters(const ModelConfig& config, const LayerShape& shape, bool attention) {
  LayerShape rest = shape;
  if (attention) {
    rest.heads = rest.kv_heads = 0;
  } else {
    rest.mlp = 0;
  }
  return layer_parameters(config, shape) - layer_parameters(config, rest);
}

constexpr std::array kUnits = {
    Unit{.kind = UnitKind::kLayer, .name = "layer", .summary = "a decoder layer: both halves"},
    Unit{.kind = UnitKind::kAttention,
         .name = "attention",
         .summary = "the attention half of a layer: q, k, v, o, their biases and the norm"},
    Unit{.kind = UnitKind::kMlp,
         .name = "MLP",
         .summary = "the MLP half of a layer: gate, up, down, their biases and the norm"},
    Unit{.kind = UnitKind::kKvGroup,
         .name = "KV group",
         .summary = "a KV head with the query heads that share it: rows of k, v and q, columns of "
                    "o; a query head where each has its own KV head",
         .name_of_single = "query head"},
    Unit{.kind = UnitKind::kNeuron,
         .name = "neuron",
         .summary = "a row of gate and up, a column of down"},
    Unit{.kind = UnitKind::kChannel,
         .name = "hidden channel",
         .summary = "of the residual stream: a column of q, k, v, gate, up, embedding and head, a "
                    "row of o and down, an entry of every norm; of the whole model"}};

}  // namespace

std::span<const Unit> all_units() { return kUnits; }

std::string_view unit_name(UnitKind kind) { return kUnits[static_cast<size_t>(kind)].name; }

std::string_view unit_name(UnitKind kind, const LayerShape& shape) {
  const Unit& unit = kUnits[static_cast<size_t>(kind)];
  return shape.group() == 1 && !unit.name_of_single.empty() ? unit.name_of_single : unit.name;
}

int64_t num_units(UnitKind kind, const LayerShape& shape) {
  switch (kind) {
    case UnitKind::kLayer:
      return 1;
    case UnitKind::kAttention:
      return shape.kv_heads > 0 ? 1 : 0;
    case UnitKind::kMlp:
      return shape.mlp > 0 ? 1 : 0;
    case UnitKind::kKvGroup:
      return shape.kv_heads;
    case UnitKind::kNeuron:
      return shape.mlp;
    case UnitKind::kChannel:
      return 0;
  }
  throw internal_error("unknown kind of unit {}", static_cast<int>(kind));
}

int64_t num_units(UnitKind kind, const ModelConfig& config, const LayerShape& shape) {
  return kind == UnitKind::kChannel ? config.hidden : num_units(kind, shape);
}

int64_t unit_parameters(UnitKind kind, const ModelConfig& config, const LayerShape& shape) {
  if (num_units(kind, config, shape) == 0) return 0;
  switch (kind) {
    case UnitKind::kLayer:
      return layer_parameters(config, shape);
    case UnitKind::kAttention:
      return half_parameters(config, shape, true);
    case UnitKind::kMlp:
      return half_parameters(config, shape, false);
    case UnitKind::kKvGroup:
      return cost_of_one_more(config, shape, 1, 0);
    case UnitKind::kNeuron:
      return cost_of_one_more(config, shape, 0, 1);
    case UnitKind::kChannel:
      return cost_of_channel(config);
  }
  throw internal_error("unknown kind of unit {}", static_cast<int>(kind));
}

void check_channels_may_go(const ModelConfig& config) {
  if (!config.composite) return;
  throw bad_input(
      "the hidden channels of a {} cannot be removed: its projector writes into all of them",
      config.composite->kind->name)
      .hint("remove layers, heads and neurons");
}

}  // namespace mop
