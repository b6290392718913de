// pipeline/describe.h -- models and sizes as JSON: the shapes of shared answers, in one place.
#pragma once
#include <filesystem>
#include <string>
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
/// block_removed_fraction}]}
Json accounting_json(const Accounting& accounting);

/// "12 layers, 6 heads, 2 KV heads, MLP 768"; ranges where layers differ.
std::string shape_text(const std::vector<LayerShape>& layers);

/// Everything `mop inspect` says. Opens and checks the whole checkpoint: throws like Model::open.
Json inspect(const std::filesystem::path& folder);

}  // namespace mop
