// run/describe.cc
#include "run/describe.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "base/read_values.h"
#include "model/composite.h"
#include "model/family.h"
#include "report/table.h"
#include "run/device_needs.h"
#include "structure/unit.h"
#include "tensor/dtype.h"
#include "text/tokenizer_keys.h"

namespace mop {
namespace {

// The dtype of most values.
DType main_dtype(const Checkpoint& checkpoint) {
  std::map<DType, int64_t> values;
  for (const std::string& name : checkpoint.names()) {
    const TensorEntry& entry = checkpoint.entry(name);
    values[entry.dtype] += c10::multiply_integers(entry.shape);
  }
  const auto fewer = [](const auto& a, const auto& b) { return a.second < b.second; };
  return std::max_element(values.begin(), values.end(), fewer)->first;
}

// Number of tensors by stored type: {"q4_1": 210, "f32": 61}.
Json tensor_types(const Checkpoint& checkpoint) {
  std::map<std::string, int64_t> counts;
  if (const GgufFile* file = checkpoint.gguf()) {
    for (const auto& [name, tensor] : file->tensors()) {
      ++counts[std::string(ggml_name(tensor.type))];
    }
  } else {
    for (const std::string& name : checkpoint.names()) {
      ++counts[dtype_name(checkpoint.entry(name).dtype)];
    }
  }
  return counts;
}

int64_t kv_cache_bytes_per_token(const ModelConfig& config, DType dtype) {
  int64_t values = 0;
  for (const LayerShape& shape : config.layers) values += 2 * shape.kv_heads * shape.head_dim;
  return values * static_cast<int64_t>(dtype_bytes(dtype));
}

// `layers` is not empty.
std::string range_text(const std::vector<LayerShape>& layers, int64_t LayerShape::*member) {
  const auto less = [&](const LayerShape& a, const LayerShape& b) { return a.*member < b.*member; };
  const auto [low, high] = std::minmax_element(layers.begin(), layers.end(), less);
  if ((*low).*member == (*high).*member) return std::to_string((*low).*member);
  return fmt::format("{} to {}", (*low).*member, (*high).*member);
}

// The prunable part of the tower, and the sizes of its first layer's units; null if it is not
// computed.
Json tower_json(const Composite& composite) {
  const ModelConfig& tower = composite.tower;
  if (tower.layers.empty()) return nullptr;
  return {{"layers", layers_json(tower.layers)},
          {"idle_layers", composite.unused_layers()},
          {"parameters", block_parameters(tower)},
          {"head_parameters", unit_parameters(UnitKind::kKvGroup, tower, tower.layers[0])},
          {"neuron_parameters", unit_parameters(UnitKind::kNeuron, tower, tower.layers[0])}};
}

// The composite model that contains the language model.
Json composite_json(const Composite& composite) {
  Json parts = Json::array();
  for (const OutsidePart& part : composite.parts)
    parts.push_back({{"name", part.name}, {"parameters", part.parameters()}});
  return {{"name", composite.kind->name},
          {"architecture", composite.kind->architecture},
          {"image_token", composite.image_token},
          {"tokens_of_image", rows_of_image(composite.vision, composite.projector)},
          {"parts", parts},
          {"tower", tower_json(composite)}};
}

}  // namespace

Json layers_json(const std::vector<LayerShape>& layers) {
  Json list = Json::array();
  for (const LayerShape& shape : layers) {
    list.push_back({{"heads", shape.heads},
                    {"kv_heads", shape.kv_heads},
                    {"head_dim", shape.head_dim},
                    {"mlp", shape.mlp}});
  }
  return list;
}

std::vector<LayerShape> layers_from_json(const Json& layers, const std::string& where) {
  if (!layers.is_array()) throw bad_input("the layers must be a list").where("file", where);
  const auto size = [&](const Json& layer, const char* key) {
    const auto value = require<int64_t>(layer, key, where);
    if (value >= 0 && value <= INT32_MAX) return value;
    throw bad_input("'{}' of a layer is {}: not a plausible number", key, value)
        .where("file", where);
  };
  std::vector<LayerShape> shapes;
  for (const Json& layer : layers) {
    shapes.push_back({size(layer, "heads"), size(layer, "kv_heads"), size(layer, "head_dim"),
                      size(layer, "mlp")});
  }
  return shapes;
}

Json sizes_json(const ModelConfig& config) {
  return {{"parameters", total_parameters(config)},
          {"block_parameters", block_parameters(config)},
          {"layers", layers_json(config.layers)}};
}

Json accounting_json(const Accounting& accounting) {
  Json steps = Json::array();
  for (const AccountedStep& step : accounting.steps) {
    Json row = {{"step", steps.size() + 1},
                {"branch", step.branch},
                {"layers", layers_json(step.layers)},
                {"parameters", step.parameters},
                {"block_parameters", step.block_parameters},
                {"removed_fraction", accounting.removed_fraction(step)},
                {"block_removed_fraction", accounting.block_removed_fraction(step)}};
    if (step.tower != accounting.dense.tower) {
      row["tower"] = layers_json(step.tower);
      row["tower_removed_fraction"] = accounting.tower_removed_fraction(step);
    }
    if (step.hidden != accounting.dense.hidden) row["hidden"] = step.hidden;
    steps.push_back(std::move(row));
  }
  return {{"dense",
           {{"parameters", accounting.dense.parameters},
            {"block_parameters", accounting.dense.block_parameters},
            {"layers", layers_json(accounting.dense.layers)}}},
          {"steps", steps}};
}

std::string shape_text(const std::vector<LayerShape>& layers, int64_t hidden) {
  if (layers.empty()) return "no layers";
  return fmt::format(
      "{} layers, {} heads, {} KV heads, MLP {}{}", layers.size(),
      range_text(layers, &LayerShape::heads), range_text(layers, &LayerShape::kv_heads),
      range_text(layers, &LayerShape::mlp), hidden == 0 ? "" : fmt::format(", hidden {}", hidden));
}

int64_t changed_hidden(const ModelConfig& config) {
  const int64_t stored = whole_of(config.raw, "hidden_size");
  return stored == 0 || stored == config.hidden ? 0 : config.hidden;
}

std::string shape_text(const ModelConfig& config) {
  return shape_text(config.layers, changed_hidden(config));
}

std::string tower_text(const std::vector<LayerShape>& layers) {
  if (layers.empty()) return "no layers";
  return fmt::format("{} layers, {} heads, MLP {}", layers.size(),
                     range_text(layers, &LayerShape::heads), range_text(layers, &LayerShape::mlp));
}

std::vector<LayerShape> cut_tower_of(const ModelConfig& dense, const ModelConfig& after) {
  if (dense.composite == nullptr) return {};
  const std::vector<LayerShape>& left = after.composite->tower.layers;
  return left == dense.composite->tower.layers ? std::vector<LayerShape>() : left;
}

std::string shape_text(const ModelConfig& dense, const ModelConfig& after) {
  const std::vector<LayerShape> tower = cut_tower_of(dense, after);
  const std::string text = shape_text(after);
  return tower.empty() ? text : text + "; tower: " + tower_text(tower);
}

std::string step_shape_text(const Json& step, const std::string& where) {
  const std::string text =
      shape_text(layers_from_json(part_of(step, "layers"), where), whole_of(step, "hidden"));
  const Json& tower = part_of(step, "tower");
  return tower.is_null() ? text : text + "; tower: " + tower_text(layers_from_json(tower, where));
}

Json units_json(const ModelConfig& config) {
  Json units = Json::array();
  for (const UnitKind kind :
       {UnitKind::kLayer, UnitKind::kKvGroup, UnitKind::kNeuron, UnitKind::kChannel}) {
    std::string_view name;
    int64_t count = 0, least = INT64_MAX, most = 0;
    for (const LayerShape& shape : config.layers) {
      const int64_t here = num_units(kind, config, shape);
      if (here == 0) continue;
      count = kind == UnitKind::kChannel ? here : count + here;
      const int64_t parameters = unit_parameters(kind, config, shape);
      least = std::min(least, parameters), most = std::max(most, parameters);
      if (name.empty()) name = unit_name(kind, shape);
    }
    if (count == 0 || (kind == UnitKind::kChannel && config.composite)) continue;
    units.push_back({{"name", name}, {"count", count}, {"parameters", {least, most}}});
  }
  return units;
}

std::vector<std::pair<std::string, std::string>> unit_lines(const Json& units) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const Json& unit : units) {
    const auto least = unit["parameters"][0].get<int64_t>(),
               most = unit["parameters"][1].get<int64_t>();
    lines.emplace_back(
        unit["name"].get<std::string>() + "s",
        fmt::format("{} of {}{} parameters", with_commas(unit["count"].get<int64_t>()),
                    with_commas(least), least == most ? "" : " to " + with_commas(most)));
  }
  return lines;
}

Json inspect(const std::filesystem::path& folder) {
  const Model model = Model::open(folder);
  const ModelConfig& config = model.config();
  const Checkpoint& checkpoint = model.checkpoint();
  const DType dtype = main_dtype(checkpoint);
  Json json;
  json["family"] = config.family->name;
  json["architecture"] = config.family->architecture;
  if (config.composite) json["composite"] = composite_json(*config.composite);
  json["dtype"] = dtype_name(dtype);
  json["bytes"] = checkpoint.bytes();
  json["tensor_types"] = tensor_types(checkpoint);
  const Json sizes = sizes_json(config);
  json["parameters"] = sizes["parameters"];
  json["block_parameters"] = sizes["block_parameters"];
  json["kv_cache_bytes_per_token"] = kv_cache_bytes_per_token(config, dtype);
  json["device_memory"] = device_memory_json(config);
  json["hidden"] = config.hidden;
  json["vocab"] = config.vocab;
  json["context"] = config.context;
  json["tied_embedding"] = config.tied_embedding;
  json["shape"] = shape_text(config.layers);
  json["layers"] = sizes["layers"];
  json["units"] = units_json(config);
  json["fingerprint"] = checkpoint.fingerprint();
  json["warnings"] = reader_warnings(config);
  for (const std::string& note : config.notes) json["warnings"].push_back(note);
  if (checkpoint.gguf() == nullptr) {
    const auto keys = unknown_tokenizer_keys(checkpoint.folder());
    if (!keys.empty()) {
      json["warnings"].push_back(
          fmt::format("the tokenizer's files have unknown keys: {}", fmt::join(keys, ", ")));
    }
  }
  return json;
}

}  // namespace mop
