// pipeline/describe.h -- models and sizes as JSON: the shapes of shared answers, in one place.
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
std::vector<LayerShape> layers_from_json(const Json& layers);
/// {parameters, block_parameters, layers}
Json sizes_json(const ModelConfig& config);
/// {dense: sizes, steps: [{step, branch, layers, parameters, removed_fraction,
/// block_removed_fraction}]}; where a vision tower was cut also {tower, tower_removed_fraction},
/// and `hidden` where a step leaves another hidden size.
Json accounting_json(const Accounting& accounting);

/// "12 layers, 6 heads, 2 KV heads, MLP 768"; ranges where layers differ. `hidden` is told unless
/// it is 0.
std::string shape_text(const std::vector<LayerShape>& layers, int64_t hidden = 0);
/// The same of a model; its hidden size is told where it is not its checkpoint's.
std::string shape_text(const ModelConfig& config);
/// The hidden size where it is not the checkpoint's, else 0.
int64_t changed_hidden(const ModelConfig& config);
/// "3 layers, 2 to 4 heads, MLP 200" of a vision tower.
std::string tower_text(const std::vector<LayerShape>& layers);
/// The layers of a tower that was cut in `after`; empty where `dense` has the same or there is
/// none.
std::vector<LayerShape> cut_tower_of(const ModelConfig& dense, const ModelConfig& after);
/// The language model's shape, and the tower's where it was cut.
std::string shape_text(const ModelConfig& dense, const ModelConfig& after);
/// The same of a step as JSON has it: {layers, hidden and tower where they were cut}.
std::string step_shape_text(const Json& step);

/// What can be removed, a line for each kind: [{name, count, parameters: [least, most] of one}].
Json units_json(const ModelConfig& config);
/// The same for people: ("neurons", "9,216 of 1,152 parameters").
std::vector<std::pair<std::string, std::string>> unit_lines(const Json& units);

/// Everything `mop inspect` says. Opens and checks the whole checkpoint: throws like Model::open.
Json inspect(const std::filesystem::path& folder);

}  // namespace mop
