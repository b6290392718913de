// eval/tasks/encode.h -- converts requests to token ids, split as in lm-evaluation-harness.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "eval/request_groups.h"
#include "eval/tasks/task.h"
#include "text/tokenizer.h"

namespace mop {

/// Whether BOS is added. The rule changes figures by whole points, so every result records it.
enum class BosRule {
  kAuto,    ///< the tokenizer's own rule: lm-evaluation-harness 0.4.9.2 and later
  kAlways,  ///< BOS in front of every text
  kNever    ///< no special token: 0.4.7 to 0.4.9.1
};
/// Parses "auto", "always", "never". Throws Error(kUsage) for another name.
BosRule parse_bos_rule(std::string_view name);
std::string bos_rule_name(BosRule rule);
/// Describes the rule and the versions of lm-evaluation-harness that use it.
std::string bos_in_words(BosRule rule);

class RequestEncoder {
 public:
  /// `context` is the model's context in tokens. The tokenizer must outlive the encoder.
  RequestEncoder(const Tokenizer& tokenizer, BosRule rule, int64_t context);

  /// Encodes a request. Trailing blanks of the context move to the continuation. The continuation's
  /// ids are those of both texts together, after as many ids as the context alone has. Truncates on
  /// the left to fit. Throws Error(kBadInput) when nothing is left to score, or the continuation is
  /// longer than the model's context.
  TokenRequest pair(const TextRequest& request) const;
  /// Returns windows that together predict every token of the text once. Each full window begins
  /// with the last token of the previous one; the last window has as much context as fits. Empty
  /// for an empty text.
  std::vector<TokenRequest> rolling(std::string_view text) const;
  /// Encodes the requests of an item, in order; a rolling request gives its windows. Requests with
  /// pictures are not truncated, because their placeholders expand to many tokens (see check_fits).
  std::vector<TokenRequest> encode(const TaskItem& item, TaskKind kind) const;
  /// Throws Error(kBadInput) when the request is longer than the model's context.
  void check_fits(const TokenRequest& request) const;

 private:
  /// Cache of a text's ids: the choices of a question share their context.
  struct Encoded {
    std::string text;
    std::vector<int64_t> ids;
  };
  TokenRequest pair(const TextRequest& request, Special special, Encoded& context) const;
  void cut(TokenRequest& request) const;
  std::vector<int64_t> ids_of(std::string_view text, Special special) const;
  TokenRequest joined(std::vector<int64_t> context, const std::vector<int64_t>& continuation) const;

  const Tokenizer& tokenizer_;
  BosRule rule_;
  int64_t context_;
  int64_t prefix_;           ///< used in place of an empty context
  std::string prefix_text_;  ///< a text that starts with it gets no special tokens
};

}  // namespace mop
