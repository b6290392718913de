// text/tokenizer_keys.h -- the fate of every key of the tokenizer's files.
#pragma once
#include "base/key_fates.h"

namespace mop {

/// tokenizer.json. A key of a part is named by the part: "model.BPE.dropout".
const FormatKeys& tokenizer_json_keys();
/// tokenizer_config.json and special_tokens_map.json.
const FormatKeys& tokenizer_config_keys();

}  // namespace mop
