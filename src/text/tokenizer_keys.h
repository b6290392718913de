// text/tokenizer_keys.h -- how each key of the tokenizer files is handled.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/key_fates.h"

namespace mop {

/// tokenizer.json. The key of a part includes its type: "model.BPE.dropout".
const FormatKeys& tokenizer_json_keys();
/// tokenizer_config.json and special_tokens_map.json.
const FormatKeys& tokenizer_config_keys();

/// Returns "tokenizer.json: model.BPE.new_key" for every key in these files of `folder` without a
/// row.
std::vector<std::string> unknown_tokenizer_keys(const std::filesystem::path& folder);

}  // namespace mop
