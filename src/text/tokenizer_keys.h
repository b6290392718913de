// text/tokenizer_keys.h -- the fate of every key of the tokenizer's files.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/key_fates.h"

namespace mop {

/// tokenizer.json. A key of a part is named by the part: "model.BPE.dropout".
const FormatKeys& tokenizer_json_keys();
/// tokenizer_config.json and special_tokens_map.json.
const FormatKeys& tokenizer_config_keys();

/// "tokenizer.json: model.BPE.new_key" of every key in these files of `folder` that has no fate.
std::vector<std::string> unknown_tokenizer_keys(const std::filesystem::path& folder);

}  // namespace mop
