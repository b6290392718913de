// text/pre_tokenizers.h -- the `pre_tokenizer` of a tokenizer.json: text cut into the words that
// BPE sees.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "text/component.h"

namespace mop {

struct Word {
  std::string text;
  bool at_start;  ///< it begins where the whole input begins
};

/// Words in, smaller words out; empty ones are dropped.
using PreTokenizer = std::function<std::vector<Word>(std::vector<Word>)>;

/// `part` may be null: the words as they are. Throws Error(kBadInput) on an unknown type.
PreTokenizer make_pre_tokenizer(const PartJson& part);

}  // namespace mop
