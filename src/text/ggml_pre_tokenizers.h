// text/ggml_pre_tokenizers.h -- llama.cpp's pre-tokenizers for byte-level vocabularies, by their
// name in `tokenizer.ggml.pre`.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "text/component.h"

namespace mop {

struct GgmlPreTokenizer {
  std::vector<std::string_view> names;  ///< the first is used for writing
  /// Applied in order, each to the text that the previous ones did not match; the matches and the
  /// text between them are words.
  std::vector<std::string_view> regexes;
  bool ignore_merges = false;  ///< encode a word that is a token as that token
  bool add_bos = false;        ///< default when the file does not say
  /// How llama.cpp deviates from this row, which follows the models' own tokenizer.json; empty when
  /// it does not.
  std::string_view differs = {};
  /// `pre_tokenizer` of the models' tokenizer.json where regexes alone do not express it.
  std::string_view own = {};
};

/// Returns the row as `pre_tokenizer` of a tokenizer.json.
PartJson ggml_pre_tokenizer_part(const GgmlPreTokenizer& row);
/// Returns the first row that splits every probe text as `part` does, preferring one with the same
/// `ignore_merges`; nullptr when there is none. The probes are all strings of three characters,
/// with one character for each class that any of the regexes distinguishes, and some longer texts.
/// Throws Error(kBadInput) for an unknown part.
const GgmlPreTokenizer* find_ggml_pre_tokenizer(const PartJson& part, bool ignore_merges);
/// Throws Error(kBadInput) listing the known names.
const GgmlPreTokenizer& ggml_pre_tokenizer(std::string_view name);
const std::vector<GgmlPreTokenizer>& all_ggml_pre_tokenizers();
/// "a, b, c".
std::string ggml_pre_tokenizer_names();

}  // namespace mop
