// export/hf_tokenizer.cc
#include "export/hf_tokenizer.h"

#include "base/parse_json.h"

namespace mop {
namespace {

// Renames a key without changing the order. The new name is not in the object: it is appended to
// without lookup, which is linear.
Json renamed(const Json& object, std::string_view key, std::string_view name) {
  Json::object_t result;
  for (const auto& [old, value] : object.items())
    result.push_back({old == key ? std::string(name) : old, value});
  return result;
}

}  // namespace

std::string portable_tokenizer_config(const std::string& text) {
  Json config = try_parse_json(text).value_or(Json());
  if (!config.is_object()) return text;
  bool changed = false;
  if (const auto it = config.find("tokenizer_class");
      it != config.end() && *it == "TokenizersBackend") {
    *it = "PreTrainedTokenizerFast";
    changed = true;
  }
  const auto extra = config.find("extra_special_tokens");
  if (extra != config.end() && extra->is_array() && !config.contains("additional_special_tokens")) {
    config = renamed(config, "extra_special_tokens", "additional_special_tokens");
    changed = true;
  }
  return changed ? to_text(config) : text;
}

}  // namespace mop
