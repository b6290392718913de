// export/hf_tokenizer.h -- tokenizer_config.json in the words that old and new readers know.
#pragma once
#include <string>

namespace mop {

/// The text of a tokenizer_config.json with what transformers 5 writes, and 4 cannot read, said as
/// both understand it: the class TokenizersBackend is called PreTrainedTokenizerFast, a list of
/// extra_special_tokens additional_special_tokens. Anything else comes back byte for byte.
std::string portable_tokenizer_config(const std::string& text);

}  // namespace mop
