// export/hf_tokenizer.h -- converts tokenizer_config.json to a form that old and new readers
// support.
#pragma once
#include <string>

namespace mop {

/// Returns the text of a tokenizer_config.json with settings of transformers 5 that 4 cannot read
/// replaced by equivalents for both: the class TokenizersBackend becomes PreTrainedTokenizerFast, a
/// list extra_special_tokens becomes additional_special_tokens. Other files are returned byte for
/// byte.
std::string portable_tokenizer_config(const std::string& text);

}  // namespace mop
