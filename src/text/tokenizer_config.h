// text/tokenizer_config.h -- what the small files beside a tokenizer say: special tokens and who
// adds them.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "text/added_tokens.h"

namespace mop {

/// tokenizer_config.json, special_tokens_map.json, added_tokens.json and the ids in config.json;
/// what none of them says is absent.
struct TokenizerConfig {
  std::optional<std::string> bos, eos, unk;  ///< texts
  std::optional<int64_t> bos_id, eos_id;     ///< of config.json, when nothing names a text
  bool add_bos = true;                       ///< LlamaTokenizer's defaults, as are those below
  bool add_eos = false;
  bool legacy = true;  ///< a text behind a special token gets a blank in front
  bool add_prefix_space = true;
  std::vector<AddedToken> added;  ///< each content once; id -1 where no file gives one
};

/// Reads what is there; an empty folder gives the defaults. Throws Error naming file and key.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);
/// What the text of a tokenizer_config.json alone says.
TokenizerConfig parse_tokenizer_config(const std::string& text);

}  // namespace mop
