// export/modelling_code.cc
#include "export/modelling_code.h"

#include <fmt/format.h>

#include "export/hf_composite.h"
#include "export/hf_per_layer.h"
#include "export/hf_scaled_mistral.h"
#include "model/composite.h"

namespace mop {
namespace {

// Returns the module name, e.g. "modeling_x" for modeling_x.py.
std::string module_of(const ModellingCode& code) {
  return code.file.substr(0, code.file.rfind('.'));
}

// The key may hold anything in configs of other programs.
bool names(const Json& config, const ModellingCode& code) {
  const auto map = config.find("auto_map");
  if (map == config.end() || !map->is_object()) return false;
  const auto place = map->find("AutoConfig");
  return place != map->end() && place->is_string() &&
         place->get<std::string>().starts_with(module_of(code) + ".");
}

}  // namespace

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string class_prefix(std::string_view architecture) {
  return std::string(architecture.substr(0, architecture.find("For")));
}

Json auto_map(const ModellingCode& code, const std::string& prefix) {
  const auto place = [&](const char* kind) {
    return fmt::format("{}.{}{}", module_of(code), prefix, kind);
  };
  return {{"AutoConfig", place("Config")},
          {"AutoModel", place("Model")},
          {"AutoModelForCausalLM", place("ForCausalLM")}};
}

std::optional<ModellingCode> code_beside(const Json& config, const Family& family) {
  for (const CompositeKind& kind : all_composites()) {
    ModellingCode code = per_layer_composite_code(family, kind);
    if (names(config, code)) return code;
  }
  for (ModellingCode code :
       {per_layer_code(family), scaled_mistral_code(), narrow_qwen2_code(family)}) {
    if (names(config, code)) return code;
  }
  return std::nullopt;
}

}  // namespace mop
