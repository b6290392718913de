// eval/tasks/encode.h -- requests as token ids, split where lm-evaluation-harness splits them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "eval/request_groups.h"
#include "eval/tasks/task.h"
#include "text/tokenizer.h"

namespace mop {

/// Who adds BOS. The rule decides figures by whole points, so it is stamped on every result.
enum class BosRule {
  kAuto,    ///< the tokenizer's own rule: lm-evaluation-harness 0.4.9.2 and later
  kAlways,  ///< BOS in front of every text
  kNever    ///< no special token: 0.4.7 to 0.4.9.1
};
/// "auto", "always", "never". Throws Error(kUsage) for another name.
BosRule parse_bos_rule(std::string_view name);
std::string bos_rule_name(BosRule rule);
/// The rule, and whose it is.
std::string bos_in_words(BosRule rule);

class RequestEncoder {
 public:
  /// `context` is the model's (tokens). The tokenizer must outlive the encoder.
  RequestEncoder(const Tokenizer& tokenizer, BosRule rule, int64_t context);

  /// Blanks that end the context go to the continuation; the continuation's ids are those of both
  /// texts together behind as many as the context alone has. What does not fit is cut on the left.
  /// Throws Error(kBadInput) when nothing is left to score, or more than the context holds.
  TokenRequest pair(const TextRequest& request) const;
  /// Windows that together predict every token of the text once. Full ones begin with the last
  /// token of the one before; the last one sees as many as fit. An empty text gives none.
  std::vector<TokenRequest> rolling(std::string_view text) const;
  /// Requests of an item in order; for a rolling one its windows. One with pictures is not cut:
  /// their words become many tokens (check_fits).
  std::vector<TokenRequest> encode(const TaskItem& item, TaskKind kind) const;
  /// Throws Error(kBadInput) when the request is longer than the model's context.
  void check_fits(const TokenRequest& request) const;

 private:
  /// A text and its ids: the choices of a question share their context.
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
  int64_t prefix_;           ///< stands in for an empty context
  std::string prefix_text_;  ///< a text that starts with it gets no special tokens
};

}  // namespace mop
