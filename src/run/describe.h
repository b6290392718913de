// run/describe.h -- models and sizes as JSON and as text, shared by all outputs.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "export/reader_rules.h"
#include "model/config.h"
#include "model/model.h"
#include "plan/accounting.h"

namespace mop {

/// [{heads, kv_heads, head_dim, mlp}], one per layer.
Json layers_json(const std::vector<LayerShape>& layers);
/// Reads them again. Throws Error(kBadInput), naming the file `where`.
std::vector<LayerShape> layers_from_json(const Json& layers, const std::string& where = "layers");
/// {parameters, block_parameters, layers}
Json sizes_json(const ModelConfig& config);
/// Returns {dense: sizes, steps: [{step, branch, layers, parameters, removed_fraction,
/// block_removed_fraction}]}; with a pruned vision tower also {tower, tower_removed_fraction}, and
/// `hidden` if a step changes the hidden size.
Json accounting_json(const Accounting& accounting);

/// Returns e.g. "12 layers, 6 heads, 2 KV heads, MLP 768"; ranges if layers differ. `hidden` 0 is
/// omitted.
std::string shape_text(const std::vector<LayerShape>& layers, int64_t hidden = 0);
/// The same for a model; the hidden size is included if it differs from its checkpoint's.
std::string shape_text(const ModelConfig& config);
/// Returns the hidden size if it differs from the checkpoint's, else 0.
int64_t changed_hidden(const ModelConfig& config);
/// Returns e.g. "3 layers, 2 to 4 heads, MLP 200" for a vision tower.
std::string tower_text(const std::vector<LayerShape>& layers);
/// Returns the tower's layers in `after` if they differ from those in `dense`, else an empty list.
std::vector<LayerShape> cut_tower_of(const ModelConfig& dense, const ModelConfig& after);
/// Describes the language model's shape, and the tower's if it was pruned.
std::string shape_text(const ModelConfig& dense, const ModelConfig& after);
/// The same for a step as JSON: {layers, and hidden and tower if changed}.
/// Throws Error(kBadInput), naming the file `where`.
std::string step_shape_text(const Json& step, const std::string& where = "the step");

/// Returns the removable units by kind: [{name, count, parameters: [least, most] of one}].
Json units_json(const ModelConfig& config);
/// The same as text: ("neurons", "9,216 of 1,152 parameters").
std::vector<std::pair<std::string, std::string>> unit_lines(const Json& units);

/// Returns the data of `mop inspect`. Opens and checks the complete checkpoint; throws as
/// Model::open.
Json inspect(const std::filesystem::path& folder);

}  // namespace mop
