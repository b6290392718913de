// export/modelling_code.h -- modelling code beside a checkpoint, which transformers runs when it is
// told trust_remote_code=True.
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
  std::string before;  ///< only transformers before this version need it; empty = all do
};

/// `text` with `to` for every `from`.
std::string replaced(std::string text, std::string_view from, std::string_view to);

/// "Llama" of "LlamaForCausalLM".
std::string class_prefix(std::string_view architecture);

/// config.json's `auto_map`: the code's classes are `prefix` + Config, Model, ForCausalLM.
Json auto_map(const ModellingCode& code, const std::string& prefix);

/// The code of ours that a config.json names, if any: the one place that knows all of it.
std::optional<ModellingCode> code_beside(const Json& config, const Family& family);

}  // namespace mop
