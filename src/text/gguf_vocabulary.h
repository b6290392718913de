// text/gguf_vocabulary.h -- a tokenizer as GGUF files carry it, from and to Hugging Face's files.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/gguf.h"
#include "text/tokenizer.h"

namespace mop {

struct GgufVocabulary {
  std::string model;            ///< "llama": SentencePiece BPE; "gpt2": byte-level BPE; "none"
  std::string pre = "default";  ///< how a byte-level one cuts words
  std::vector<std::string> tokens = {};  ///< by id
  std::vector<double> scores = {};       ///< of "llama"
  std::vector<int64_t> types = {};       ///< PieceType of each token
  std::vector<std::string> merges = {};  ///< of "gpt2": "a b", best first
  std::optional<int64_t> bos = {}, eos = {}, unknown = {}, padding = {};
  bool add_bos = true, add_eos = false;
  bool add_space_prefix = true;  ///< a blank in front of text, and behind special tokens
  bool one_blank = false;        ///< repeated and outer blanks are removed; llama.cpp keeps them
  std::string chat_template = {};
  std::vector<std::string> notes = {};  ///< where llama.cpp's ids will differ, a line each
};

/// The tokenizer of a model folder with exactly `size` tokens (missing ones are filled up with
/// unused ones). "none" when the folder has no tokenizer. Throws Error(kBadInput) for what
/// llama.cpp cannot express: a pre-tokenizer it has no name for, Unigram models, more tokens than
/// `size`.
GgufVocabulary vocabulary_of_folder(const std::filesystem::path& folder, int64_t size);

/// Throws Error(kBadInput) naming the key that is missing or does not fit.
GgufVocabulary vocabulary_of_gguf(const GgufFile& file);
/// Appends the `tokenizer.` keys.
void put_vocabulary(const GgufVocabulary& vocabulary, GgufMetadata& metadata);

/// tokenizer.model or tokenizer.json and tokenizer_config.json: file name -> content. Empty for
/// "none". Throws Error(kBadInput) for a model or pre-tokenizer we do not know.
std::map<std::string, std::string> tokenizer_files_of(const GgufVocabulary& vocabulary);

/// Throws Error(kBadInput), also when the file has no tokenizer.
std::shared_ptr<const Tokenizer> open_gguf_tokenizer(const std::filesystem::path& file);

}  // namespace mop
