// text/pre_tokenizers.h -- the `pre_tokenizer` of a tokenizer.json: splits text into words for the
// model.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "text/component.h"

namespace mop {

struct Word {
  std::string text;
  bool at_start;  ///< whether it begins at the start of the input
};

/// Splits words into smaller words; omits empty ones.
using PreTokenizer = std::function<std::vector<Word>(std::vector<Word>)>;

/// A null `part` returns the words unchanged. Throws Error(kBadInput) on an unknown type.
PreTokenizer make_pre_tokenizer(const PartJson& part);

}  // namespace mop
