// export/modelling_code.h -- modelling code in a checkpoint's folder, which transformers runs with
// trust_remote_code=True.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "model/family.h"

namespace mop {

struct ModellingCode {
  std::string file;    ///< modeling_x.py
  std::string text;    ///< Python
  std::string before;  ///< needed only before this version of transformers; empty = by all versions
};

/// Returns `text` with every `from` replaced by `to`.
std::string replaced(std::string text, std::string_view from, std::string_view to);

/// Returns the class prefix, e.g. "Llama" for "LlamaForCausalLM".
std::string class_prefix(std::string_view architecture);

/// Returns config.json's `auto_map`: the code's classes are `prefix` + Config, Model, ForCausalLM.
Json auto_map(const ModellingCode& code, const std::string& prefix);

/// Returns the code of this program that a config.json refers to, if any.
std::optional<ModellingCode> code_beside(const Json& config, const Family& family);

}  // namespace mop
