#include "eval/tasks/encode.h"

#include "base/error.h"
#include "eval/tasks/python_text.h"

namespace mop {
namespace {

struct RuleName {
  std::string name;
  BosRule rule;
};
const std::vector<RuleName> kRules = {
    {"auto", BosRule::kAuto}, {"always", BosRule::kAlways}, {"never", BosRule::kNever}};

int64_t prefix_token(const Tokenizer& tokenizer) {
  if (tokenizer.bos()) return *tokenizer.bos();
  if (tokenizer.eos()) return *tokenizer.eos();
  throw bad_input("the tokenizer has neither BOS nor EOS to stand in for an empty context");
}

}  // namespace

BosRule parse_bos_rule(std::string_view name) {
  for (const RuleName& row : kRules) {
    if (row.name == name) return row.rule;
  }
  throw usage_error("unknown BOS rule '{}'", name).hint("known: auto, always, never");
}

std::string bos_rule_name(BosRule rule) {
  for (const RuleName& row : kRules) {
    if (row.rule == rule) return row.name;
  }
  throw internal_error("a BOS rule without a name");
}

std::string bos_in_words(BosRule rule) {
  if (rule == BosRule::kAuto) {
    return "auto: the tokenizer's own rule (lm-evaluation-harness 0.4.9.2 and later)";
  }
  return rule == BosRule::kNever ? "never (lm-evaluation-harness 0.4.7 to 0.4.9.1)"
                                 : "always: BOS in front of every text";
}

RequestEncoder::RequestEncoder(const Tokenizer& tokenizer, BosRule rule, int64_t context)
    : tokenizer_(tokenizer), rule_(rule), context_(context), prefix_(prefix_token(tokenizer)) {
  prefix_text_ = tokenizer.decode({prefix_}, /*skip_special=*/false);
}

std::vector<int64_t> RequestEncoder::ids_of(std::string_view text, Special special) const {
  const bool has_prefix = !prefix_text_.empty() && text.starts_with(prefix_text_);
  if (rule_ == BosRule::kNever || has_prefix) return tokenizer_.encode(text, Special::kNone);
  return tokenizer_.encode(text, rule_ == BosRule::kAuto ? special : Special::kBos);
}

TokenRequest RequestEncoder::joined(std::vector<int64_t> context,
                                    const std::vector<int64_t>& continuation) const {
  const auto scored = static_cast<int64_t>(continuation.size());
  if (scored == 0) throw bad_input("the continuation has no token of its own");
  if (context.empty()) throw bad_input("the context has no token");
  if (scored > context_) {
    throw bad_input("a continuation of {} tokens is longer than the model's context of {}", scored,
                    context_);
  }
  context.insert(context.end(), continuation.begin(), continuation.end());
  return {std::move(context), scored};
}

// The last token is only predicted, so one token more than the context fits.
void RequestEncoder::cut(TokenRequest& request) const {
  std::vector<int64_t>& ids = request.ids;
  request.cut = std::max<int64_t>(0, std::ssize(ids) - (context_ + 1));
  ids.erase(ids.begin(), ids.begin() + request.cut);
}

void RequestEncoder::check_fits(const TokenRequest& request) const {
  if (std::ssize(request.ids) <= context_ + 1) return;
  throw bad_input(
      "a question of {} tokens with its pictures is longer than the model's context "
      "of {}",
      request.ids.size(), context_);
}

TokenRequest RequestEncoder::pair(const TextRequest& request) const {
  Encoded nothing;
  TokenRequest encoded = pair(request, Special::kDefault, nothing);
  cut(encoded);
  return encoded;
}

TokenRequest RequestEncoder::pair(const TextRequest& request, Special special,
                                  Encoded& context) const {
  if (request.context.empty()) {
    std::vector<int64_t> ids = tokenizer_.encode(request.continuation, Special::kNone);
    if (ids.empty()) throw bad_input("the continuation has no token of its own");
    if (ids.front() != prefix_) return joined({prefix_}, ids);
    return joined({prefix_}, std::vector<int64_t>(ids.begin() + 1, ids.end()));
  }
  const size_t kept = request.context.size() - trailing_space(request.context);
  const std::vector<int64_t> whole = ids_of(request.context + request.continuation, special);
  const std::string_view text = std::string_view(request.context).substr(0, kept);
  if (context.ids.empty() || context.text != text)
    context = {std::string(text), ids_of(text, special)};
  const size_t split = std::min(context.ids.size(), whole.size());
  return joined(context.ids, std::vector<int64_t>(whole.begin() + split, whole.end()));
}

std::vector<TokenRequest> RequestEncoder::rolling(std::string_view text) const {
  const std::vector<int64_t> ids = ids_of(text, Special::kDefault);
  const auto length = static_cast<int64_t>(ids.size());
  std::vector<TokenRequest> windows;
  for (int64_t begin = 0; begin < length; begin += context_) {
    const int64_t end = std::min(length, begin + context_);
    std::vector<int64_t> window;
    if (begin == 0) window.push_back(prefix_);
    // The last window has as much context as fits.
    const int64_t first = begin == 0 ? 0 : end - context_ - 1;
    window.insert(window.end(), ids.begin() + first, ids.begin() + end);
    windows.push_back({std::move(window), end - begin});
  }
  return windows;
}

std::vector<TokenRequest> RequestEncoder::encode(const TaskItem& item, TaskKind kind) const {
  if (kind == TaskKind::kRolling) return rolling(item.requests.at(0).continuation);
  std::vector<TokenRequest> requests;
  Encoded context;
  for (const TextRequest& request : item.requests) {
    requests.push_back(pair(request, item.special.value_or(Special::kDefault), context));
    if (item.pictures.empty()) cut(requests.back());
  }
  return requests;
}

}  // namespace mop
