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

#include "base/option.h"
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
  int64_t limit = 0;               ///< as asked for; 0 = none
  int64_t left_out = 0;            ///< documents beyond the limit
  std::string text_sha256;         ///< of the file's bytes
  std::string tokenizer_sha256;
};

struct ProtocolInput {
  const std::filesystem::path& text;
  const Tokenizer& tokenizer;
  std::string argument;  ///< what follows the colon ("2048")
  int64_t context = 0;   ///< the model's, tokens
  int64_t limit = 0;     ///< the first lines, windows or pages; 0 = all
};

struct Protocol {
  std::string name;     ///< "lines", "windows"
  std::string summary;  ///< one line for `mop list protocols`
  /// Throws Error(kUsage) for a bad argument, Error(kBadInput) for a text it cannot score.
  std::function<ScoredText(const ProtocolInput&)> read;
  std::string source = {};               ///< the program or paper whose protocol it is
  std::vector<OptionSpec> options = {};  ///< the argument behind the colon; none or one
};
std::span<const Protocol> all_protocols();

/// `protocol` is "name" or "name:argument"; `limit` is ProtocolInput's. Throws Error(kUsage)
/// listing the known names.
ScoredText read_scored_text(const std::filesystem::path& text, const Tokenizer& tokenizer,
                            std::string_view protocol, int64_t context, int64_t limit = 0);

}  // namespace mop
