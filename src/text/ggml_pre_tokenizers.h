// text/ggml_pre_tokenizers.h -- llama.cpp's names (`tokenizer.ggml.pre`) for the ways in which a
// byte-level vocabulary cuts text into words.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "text/component.h"

namespace mop {

struct GgmlPreTokenizer {
  std::vector<std::string_view> names;  ///< writers take the first
  /// Searched one after the other in what the ones before left: matches and what lies between them
  /// are words.
  std::vector<std::string_view> regexes;
  bool ignore_merges = false;  ///< a word that is a token is that token
  bool add_bos = false;        ///< when the file does not say
  /// What llama.cpp does otherwise than this row, which does what the models' own tokenizer.json
  /// does; empty when nothing.
  std::string_view differs = {};
  /// `pre_tokenizer` of their tokenizer.json where it is more than regexes.
  std::string_view own = {};
};

/// The same as `pre_tokenizer` of a tokenizer.json.
PartJson ggml_pre_tokenizer_part(const GgmlPreTokenizer& row);
/// The first row that cuts every probe as `part` does, and treats merges so if there is one; null
/// when there is none. The probes: all texts of three characters over one of each kind that any of
/// the regexes tells apart, and longer ones. Throws Error(kBadInput) for a part we do not know.
const GgmlPreTokenizer* find_ggml_pre_tokenizer(const PartJson& part, bool ignore_merges);
/// Throws Error(kBadInput) listing the known names.
const GgmlPreTokenizer& ggml_pre_tokenizer(std::string_view name);
const std::vector<GgmlPreTokenizer>& all_ggml_pre_tokenizers();
/// "a, b, c".
std::string ggml_pre_tokenizer_names();

}  // namespace mop
