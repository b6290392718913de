// text/tokenizer_config.h -- reads the special tokens and their settings from the files beside a
// tokenizer.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "text/added_tokens.h"

namespace mop {

/// The content of tokenizer_config.json, special_tokens_map.json, added_tokens.json and the ids in
/// config.json; values in none of them are unset.
struct TokenizerConfig {
  std::optional<std::string> bos, eos, unk;  ///< texts
  std::optional<int64_t> bos_id, eos_id;     ///< from config.json, when no file names the token
  bool add_bos = true;                       ///< this default and those below are LlamaTokenizer's
  bool add_eos = false;
  bool legacy = true;  ///< add a blank before a text that follows a special token
  bool add_prefix_space = true;
  std::vector<AddedToken> added;  ///< distinct contents; id -1 where no file gives one
};

/// Reads the files that exist; an empty folder gives the defaults. Throws Error naming file and
/// key.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);
/// The same from the content of a tokenizer_config.json only.
TokenizerConfig parse_tokenizer_config(const std::string& text);

}  // namespace mop
