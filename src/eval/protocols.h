// eval/protocols.h -- the table of perplexity protocols. A protocol defines which tokens of a text
// are scored, their context, and how the figure is averaged.
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
#include "model/config.h"
#include "text/tokenizer.h"

namespace mop {

/// What `nll` is averaged over.
enum class NllMean {
  kTokens,     ///< all scored tokens
  kDocuments,  ///< documents, each the mean over its tokens
  kWords       ///< words of the text, as if each were a token
};

struct ScoredText {
  std::string protocol;  ///< as requested: "windows:2048"
  std::vector<TokenRequest> sequences;
  int64_t documents = 0;  ///< lines, windows or pages
  NllMean mean = NllMean::kTokens;
  std::string bos;                 ///< description of the BOS rule
  int64_t words = 0, bytes = 0;    ///< kWords: size of the original text
  std::vector<std::string> texts;  ///< the tokenised texts
  int64_t limit = 0;               ///< as requested; 0 = none
  int64_t left_out = 0;            ///< documents beyond the limit
  /// Documents that are longer than the context, and the tokens at their end that are not scored.
  int64_t cut_documents = 0, cut_tokens = 0;
  std::string text_sha256;  ///< of the file
  std::string tokenizer_sha256;
};

/// Tokens that a model reads: the trained context, and with its rope's extension
/// (ModelConfig::longest). Windows of a given length may use the extension; documents are cut to
/// the context.
struct TextContext {
  int64_t tokens = 0, longest = 0;
  TextContext(int64_t context) : tokens(context), longest(context) {}
  explicit TextContext(const ModelConfig& config)
      : tokens(config.context), longest(config.longest()) {}
};

struct ProtocolInput {
  const std::filesystem::path& text;
  const Tokenizer& tokenizer;
  std::string argument;  ///< text after the colon ("2048")
  TextContext context;   ///< the model's
  int64_t limit = 0;     ///< number of first lines, windows or pages to score; 0 = all
};

struct Protocol {
  std::string name;     ///< "lines", "windows"
  std::string summary;  ///< one line for `mop list protocols`
  /// Throws Error(kUsage) for a bad argument, Error(kBadInput) for a text it cannot score.
  std::function<ScoredText(const ProtocolInput&)> read;
  std::string source = {};               ///< the program or paper that defines the protocol
  std::vector<OptionSpec> options = {};  ///< the argument after the colon; at most one
};
std::span<const Protocol> all_protocols();

/// Reads a text for a protocol. `protocol` is "name" or "name:argument"; `limit` is
/// ProtocolInput's. Throws Error(kUsage) listing the known names.
ScoredText read_scored_text(const std::filesystem::path& text, const Tokenizer& tokenizer,
                            std::string_view protocol, TextContext context, int64_t limit = 0);

}  // namespace mop
