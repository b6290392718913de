// text/tokenizer.h -- converts text to ids and back, for the three tokenizer formats of
// LLaMA-family models.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// Special tokens to add to a text.
enum class Special {
  kNone,     ///< none
  kDefault,  ///< by the tokenizer's own rule (BOS, EOS, post-processor)
  kBos       ///< BOS exactly once at the start and no EOS, regardless of the tokenizer's rule
};

/// Special tokens spelled out in the text (`<s>`, `<|eot_id|>`) are always recognised, as in
/// transformers. Ids equal those of `tokenizers` for a tokenizer.json, of `tiktoken`, and for a
/// SentencePiece model those of SentencePiece and transformers 4's LlamaTokenizer; transformers 5
/// treats leading and repeated blanks of such a model differently. Ill-formed UTF-8 is read as
/// U+FFFD. Immutable and thread-safe.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::vector<int64_t> encode(std::string_view text, Special special) const = 0;
  /// Converts ids to text. `skip_special` omits BOS, EOS and other control tokens.
  virtual std::string decode(const std::vector<int64_t>& ids, bool skip_special = true) const = 0;
  virtual int64_t vocab() const = 0;
  virtual std::optional<int64_t> bos() const = 0;
  virtual std::optional<int64_t> eos() const = 0;
  /// "sentencepiece", "bpe" or "tiktoken", and the SHA-256 of the file it was read from.
  virtual std::string kind() const = 0;
  virtual std::string fingerprint() const = 0;
};

/// Opens the tokenizer of a model folder (tokenizer.json first, as transformers does, else
/// tokenizer.model), of a GGUF file, or one tokenizer file. Detects the file format from the
/// content, not from the name. Throws Error(kBadInput) naming the files it looked for.
std::shared_ptr<const Tokenizer> open_tokenizer(const std::filesystem::path& folder_or_file);

/// Names of tokenizer files, which are copied unchanged to every checkpoint we write.
std::vector<std::string> tokenizer_files();

}  // namespace mop
