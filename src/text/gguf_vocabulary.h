// text/gguf_vocabulary.h -- converts tokenizers between GGUF metadata and Hugging Face's files.
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
  std::string pre = "default";  ///< pre-tokenizer of "gpt2"
  std::vector<std::string> tokens = {};  ///< by id
  std::vector<double> scores = {};       ///< of "llama"
  std::vector<int64_t> types = {};       ///< PieceType of each token
  std::vector<std::string> merges = {};  ///< of "gpt2": "a b", best first
  std::optional<int64_t> bos = {}, eos = {}, unknown = {}, padding = {};
  bool add_bos = true, add_eos = false;
  bool add_space_prefix = true;  ///< add a blank before the text and after special tokens
  bool one_blank = false;  ///< remove repeated, leading and trailing blanks; llama.cpp keeps them
  std::string chat_template = {};
  std::vector<std::string> notes = {};  ///< how llama.cpp's ids will differ, one line each
};

/// Reads the tokenizer of a model folder and extends it with unused tokens to exactly `size`
/// tokens. "none" when the folder has no tokenizer. Throws Error(kBadInput) for what llama.cpp
/// cannot express: a pre-tokenizer without a name, Unigram models, more tokens than `size`.
GgufVocabulary vocabulary_of_folder(const std::filesystem::path& folder, int64_t size);

/// Reads the tokenizer of a GGUF file. Throws Error(kBadInput) naming a missing or invalid key.
GgufVocabulary vocabulary_of_gguf(const GgufFile& file);
/// Appends the `tokenizer.` keys.
void put_vocabulary(const GgufVocabulary& vocabulary, GgufMetadata& metadata);

/// Returns tokenizer.model or tokenizer.json, and tokenizer_config.json: file name -> content.
/// Empty for "none". Throws Error(kBadInput) for an unknown model or pre-tokenizer.
std::map<std::string, std::string> tokenizer_files_of(const GgufVocabulary& vocabulary);

/// Throws Error(kBadInput), also when the file has no tokenizer.
std::shared_ptr<const Tokenizer> open_gguf_tokenizer(const std::filesystem::path& file);

}  // namespace mop
