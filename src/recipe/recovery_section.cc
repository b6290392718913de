// recipe/recovery_section.cc
#include "recipe/recovery_section.h"

#include "base/error.h"
#include "recipe/recover_recipe.h"

namespace mop {

Json resolved_recovery(const Recipe& recipe) {
  if (!recipe.recovery.is_object()) {
    throw usage_error("recovery must be a map of settings, got {}", recipe.recovery.dump());
  }
  Json json = recipe.recovery;
  if (json.contains("model")) {
    throw usage_error("recovery.model is always the pruned model and cannot be set");
  }
  const auto fill = [&](const char* key, const Json& value) {
    if (!json.contains(key)) json[key] = value;
  };
  fill("seed", recipe.seed);
  fill("compute", Json::object());
  if (Json& compute = json["compute"]; compute.is_object()) {
    compute.emplace("device", recipe.device);
    if (compute["device"] == recipe.device) compute.emplace("dtype", recipe.dtype);
  }
  if (!recipe.validation.empty()) fill("validation", {{"file", recipe.validation}});
  if (json.value("method", "lora") == "distil") fill("teacher", recipe.model);
  json = to_json(recover_recipe(json));
  json.erase("model");
  return json;
}

}  // namespace mop
