// text/ggml_pre_tokenizers.h -- llama.cpp's names (`tokenizer.ggml.pre`) for the ways in which a
// byte-level vocabulary cuts text into words.
#pragma once
#include <span>
#include <string_view>

#include "text/component.h"

namespace mop {

struct GgmlPreTokenizer {
  std::string_view name;
  std::string_view part;  ///< the same as `pre_tokenizer` of a tokenizer.json
  bool ignore_merges;     ///< a word that is a token is that token
  bool add_bos;           ///< when the file does not say
};

/// The first row that cuts as `part` does; null when there is none.
const GgmlPreTokenizer* find_ggml_pre_tokenizer(const PartJson& part);
/// Throws Error(kBadInput) listing the known names.
const GgmlPreTokenizer& ggml_pre_tokenizer(std::string_view name);
/// "a, b, c".
std::string ggml_pre_tokenizer_names();

}  // namespace mop
