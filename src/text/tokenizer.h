// text/tokenizer.h -- text to ids and back, for the three tokenizer files that LLaMA-family models
// ship.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// Which ids to add around a text.
enum class Special {
  kNone,     ///< the text alone
  kDefault,  ///< what the tokenizer's own rule adds (BOS, EOS, post-processor)
  kBos       ///< BOS in front exactly once, no EOS, whatever the tokenizer's rule
};

/// Special tokens written in the text (`<s>`, `<|eot_id|>`) are always recognised as such, as
/// transformers does. Ids equal those of `tokenizers` (tokenizer.json), of `tiktoken`, and for a
/// SentencePiece model those of transformers 4's LlamaTokenizer, that is of SentencePiece itself;
/// transformers 5 reads leading and repeated blanks of such a model otherwise. Ill-formed UTF-8 is
/// read as U+FFFD. Immutable: one object serves several threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::vector<int64_t> encode(std::string_view text, Special special) const = 0;
  /// Ids to text. `skip_special` leaves out BOS, EOS and other control tokens.
  virtual std::string decode(const std::vector<int64_t>& ids, bool skip_special = true) const = 0;
  virtual int64_t vocab() const = 0;
  virtual std::optional<int64_t> bos() const = 0;
  virtual std::optional<int64_t> eos() const = 0;
  /// "sentencepiece", "bpe" or "tiktoken", and the SHA-256 of the file it was read from.
  virtual std::string kind() const = 0;
  virtual std::string fingerprint() const = 0;
};

/// The tokenizer of a model folder (tokenizer.json first, as transformers does, else
/// tokenizer.model), of a GGUF file or of one tokenizer file. Which file format it is, is read from
/// the content, not from the name. Throws Error(kBadInput) naming what was looked for.
std::shared_ptr<const Tokenizer> open_tokenizer(const std::filesystem::path& folder_or_file);

/// Their files' names, copied unchanged beside every checkpoint we write.
std::vector<std::string> tokenizer_files();

}  // namespace mop
