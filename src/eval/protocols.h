// eval/protocols.h -- what a named protocol of perplexity makes of a text: what is scored behind
// what, and how it becomes one figure. Protocols differ in this and in nothing else.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/request_groups.h"
#include "text/tokenizer.h"

namespace mop {

/// What `nll` is a mean over.
enum class NllMean {
  kTokens,     ///< all scored tokens
  kDocuments,  ///< documents, each the mean over its tokens
  kWords       ///< words of the text: as if a word were a token
};

struct ScoredText {
  std::string protocol;  ///< as asked for: "windows:2048"
  std::vector<TokenRequest> sequences;
  int64_t documents = 0;  ///< lines, windows or pages
  NllMean mean = NllMean::kTokens;
  std::string bos;                 ///< the BOS rule in words
  int64_t words = 0, bytes = 0;    ///< kWords: of the original text
  std::vector<std::string> texts;  ///< what was tokenised
  std::string text_sha256;         ///< of the file's bytes
  std::string tokenizer_sha256;
};

struct Protocol {
  std::string name;     ///< "lines", "windows"
  std::string summary;  ///< one line for `mop list protocols`
  /// `argument` follows the colon ("2048"), `context` is the model's (tokens). Throws Error(kUsage)
  /// for a bad argument, Error(kBadInput) for a text it cannot score.
  std::function<ScoredText(const std::filesystem::path& text, const Tokenizer& tokenizer,
                           const std::string& argument, int64_t context)>
      read;
};
std::span<const Protocol> all_protocols();

/// `protocol` is "name" or "name:argument". Throws Error(kUsage) listing the known names.
ScoredText read_scored_text(const std::filesystem::path& text, const Tokenizer& tokenizer,
                            std::string_view protocol, int64_t context);

}  // namespace mop
