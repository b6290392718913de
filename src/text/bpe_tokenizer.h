// text/bpe_tokenizer.h -- the pipeline of a tokenizer.json: added tokens, normalizer,
// pre-tokenizer, and a BPE or Unigram model.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.h"
#include "text/decoders.h"
#include "text/normalizers.h"
#include "text/post_processor.h"
#include "text/pre_tokenizers.h"
#include "text/tokenizer.h"
#include "text/tokenizer_config.h"
#include "text/word_model.h"

namespace mop {

struct BpeParts {
  WordModel model;
  std::vector<AddedToken> added;  ///< all ids are set
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  Decoder decoder;
  Surround surround;  ///< ids that Special::kDefault adds
  std::optional<int64_t> bos, eos;
  std::string kind, fingerprint;
};

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeParts parts);
  std::vector<int64_t> encode(std::string_view text, Special special) const override;
  std::string decode(const std::vector<int64_t>& ids, bool skip_special) const override;
  int64_t vocab() const override { return vocab_; }
  std::optional<int64_t> bos() const override { return parts_.bos; }
  std::optional<int64_t> eos() const override { return parts_.eos; }
  std::string kind() const override { return parts_.kind; }
  std::string fingerprint() const override { return parts_.fingerprint; }

 private:
  void encode_plain(std::string text, bool at_start, WordModel::Scratch& scratch,
                    std::vector<int64_t>& ids) const;
  const BpeParts parts_;
  const AddedTokenFinder raw_, normalized_;
  struct Spelling {
    std::string text;
    bool special;
  };
  std::unordered_map<int64_t, Spelling> added_by_id_;
  int64_t vocab_;
};

/// Prepends BOS unless the ids begin with it. Throws Error(kBadInput) without a BOS.
std::vector<int64_t> with_bos(std::vector<int64_t> ids, std::optional<int64_t> bos);

/// Reads a tokenizer.json, and the names of special tokens from the files beside it.
std::shared_ptr<const Tokenizer> open_tokenizer_json(const std::filesystem::path& file);
/// The same from the content of the file.
std::shared_ptr<const Tokenizer> make_tokenizer_json(const std::string& text,
                                                     const TokenizerConfig& config);
/// Reads a tiktoken-format tokenizer.model ("base64 rank" lines) with Llama 3's splitting regex and
/// its 256 special tokens after the last rank.
std::shared_ptr<const Tokenizer> open_tiktoken(const std::filesystem::path& file);
/// Converts a tiktoken-format file to a tokenizer.json that gives the same ids.
PartJson tiktoken_as_json(const std::string& bytes, const TokenizerConfig& config);
/// Returns whether a file that begins with `start` has the tiktoken format.
bool looks_like_ranks(const std::string& start);
/// Reads a SentencePiece model and applies LlamaTokenizer's rules for special tokens and blanks.
std::shared_ptr<const Tokenizer> open_sentencepiece(const std::filesystem::path& file);
/// The same from the content of the file.
std::shared_ptr<const Tokenizer> make_sentencepiece(const std::string& bytes,
                                                    const TokenizerConfig& config);

}  // namespace mop
