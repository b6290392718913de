// text/assistant_turns.cc -- a template may render a turn differently when more messages follow
// (without its thinking, say). Positions are therefore found in the rendering of the whole
// conversation, by comparing it with renderings of fewer messages and of messages with a marker
// word added.
#include "text/assistant_turns.h"

#include <algorithm>
#include <optional>

#include "base/error.h"

namespace mop {
namespace {

// A marker word that occurs in no conversation and that no template cuts or changes.
constexpr std::string_view kMarker = "Zq7XmopTurnW9k";

size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                             a.begin());
}

// Returns `common`, the length of the common prefix of `asked` and the text, moved back before an
// incomplete mark such as <like> or [this]: another mark can begin with the same characters.
size_t whole_marks(std::string_view asked, size_t common) {
  if (common == asked.size()) return common;
  const size_t open = asked.substr(0, common).find_last_of("<[>]");
  return open != asked.npos && (asked[open] == '<' || asked[open] == '[') ? open : common;
}

/// The text before and after the only occurrence of the marker word.
struct Surroundings {
  std::string before, behind;
};

std::optional<Surroundings> around_word(const std::string& text) {
  const size_t at = text.find(kMarker);
  if (at == text.npos || text.find(kMarker, at + 1) != text.npos) return std::nullopt;
  return Surroundings{text.substr(0, at), text.substr(at + kMarker.size())};
}

void put(Json& text, bool in_front) {
  const auto old = text.get<std::string>();
  text = in_front ? std::string(kMarker) + old : old + std::string(kMarker);
}

// Returns the message with the marker word in its content; nullopt when it has no content.
std::optional<Json> with_marker(Json message, bool in_front) {
  if (!message.contains("content")) return std::nullopt;
  Json& content = message["content"];
  if (content.is_null()) content = "";
  if (content.is_array() && !content.empty()) {
    Json& part = in_front ? content.front() : content.back();
    if (!part.is_object() || !part.contains("text") || !part["text"].is_string())
      return std::nullopt;
    put(part["text"], in_front);
    return message;
  }
  if (!content.is_string()) return std::nullopt;
  put(content, in_front);
  return message;
}

// Returns the function of the message's first or last call; nullptr when there is none.
Json* function_of(Json& message, bool of_last_call) {
  if (!message.contains("tool_calls") || !message["tool_calls"].is_array() ||
      message["tool_calls"].empty())
    return nullptr;
  Json& call = of_last_call ? message["tool_calls"].back() : message["tool_calls"].front();
  if (!call.is_object()) return nullptr;
  Json& function = call.contains("function") ? call["function"] : call;
  return function.is_object() ? &function : nullptr;
}

// Returns the message with the marker word after the name of its last call.
std::optional<Json> with_marker_in_name(Json message) {
  Json* function = function_of(message, true);
  if (function == nullptr || !function->contains("name") || !(*function)["name"].is_string())
    return std::nullopt;
  put((*function)["name"], false);
  return message;
}

// Returns the message with the marker word as an additional argument of its first call. Some
// templates render only the first call, and may render its name more than once.
std::optional<Json> with_marker_in_arguments(Json message) {
  Json* function = function_of(message, false);
  if (function == nullptr || !function->contains("arguments")) return std::nullopt;
  Json& arguments = (*function)["arguments"];
  if (arguments.is_object())
    arguments["x"] = std::string(kMarker);
  else if (arguments.is_string())
    put(arguments, false);
  else
    return std::nullopt;
  return message;
}

class Finder {
 public:
  Finder(const ChatTemplate& chat, const Conversation& conversation, const std::string& text)
      : chat_(chat), conversation_(conversation), text_(text) {}

  std::optional<std::pair<size_t, size_t>> find(size_t turn) const {
    const auto begin = begin_of(turn);
    const auto end = begin ? end_of(turn, *begin) : std::nullopt;
    if (!end) return std::nullopt;
    return std::pair(*begin, *end);
  }

 private:
  // Renders the first messages only; nullopt when the template rejects them.
  std::optional<std::string> first(size_t count, bool ask) const {
    if (count == 0) return std::nullopt;
    return render(
        Json(Json::array_t(messages().begin(), messages().begin() + static_cast<ptrdiff_t>(count))),
        ask);
  }

  std::optional<std::string> render(const Json& messages, bool ask) const {
    ChatOptions options = conversation_.options;
    options.add_generation_prompt = ask;
    try {
      return chat_.render(messages, options);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::kBadInput) throw;
      return std::nullopt;
    }
  }

  // Renders the first `count` messages with `message` in place of turn `turn`.
  std::optional<Surroundings> changed(size_t turn, const std::optional<Json>& message,
                                      size_t count) const {
    if (!message) return std::nullopt;
    Json all(Json::array_t(messages().begin(), messages().begin() + static_cast<ptrdiff_t>(count)));
    all[turn] = *message;
    const auto text = render(all, false);
    return text ? around_word(*text) : std::nullopt;
  }

  // Returns where the turn begins, after its generation prompt: the end of the preceding
  // conversation with the prompt, if the template renders it as in the whole; else the end of the
  // preceding message. Never after the begin of the turn's content.
  std::optional<size_t> begin_of(size_t turn) const {
    const auto before = first(turn, false), asked = first(turn, true);
    if (asked) {
      const size_t common = whole_marks(*asked, common_prefix(*asked, text_));
      const bool follows = before && text_.starts_with(*before) && common > before->size();
      if (common == asked->size() || follows) return common;
    }
    if (const auto end = turn == 0 ? std::nullopt : end_of(turn - 1, 0)) {
      const bool asks = before && asked && asked->starts_with(*before);
      const std::string words = asks ? asked->substr(before->size()) : "";
      return *end + common_prefix(words, std::string_view(text_).substr(*end));
    }
    const auto marked = changed(turn, with_marker(messages()[turn], true), messages().size());
    if (!marked || !text_.starts_with(marked->before)) return std::nullopt;
    return marked->before.size();
  }

  // Returns the end of the turn, including the text that ends it; it is after `begin`.
  std::optional<size_t> end_of(size_t turn, size_t begin) const {
    const auto until = first(turn + 1, false);
    if (until && until->size() > begin && text_.starts_with(*until)) return until->size();
    const Json& message = messages()[turn];
    for (const auto& marked : {with_marker(message, false), with_marker_in_name(message),
                               with_marker_in_arguments(message)}) {
      const auto whole = changed(turn, marked, messages().size());
      const auto alone = changed(turn, marked, turn + 1);
      if (!whole || !alone) continue;
      // After the marker word comes the rest of the turn, which both renderings share, then what
      // follows it.
      const size_t rest = common_prefix(whole->behind, alone->behind);
      const std::string_view following = std::string_view(whole->behind).substr(rest);
      if (text_.ends_with(following) && text_.size() - following.size() > begin)
        return text_.size() - following.size();
    }
    return std::nullopt;
  }

  const Json& messages() const { return conversation_.messages; }

  const ChatTemplate& chat_;
  const Conversation& conversation_;
  const std::string& text_;
};

// Takes each `generation` block as a turn of the assistant, in order. Returns false when their
// numbers differ and it matters which is which.
bool take_marks(const JinjaText& marked, const Conversation& conversation, RenderedTurns& spoken) {
  std::vector<bool> wanted;
  for (size_t i = 0; i < conversation.learned.size(); ++i) {
    if (conversation.messages[i]["role"] == "assistant") wanted.push_back(conversation.learned[i]);
  }
  const bool all = std::find(wanted.begin(), wanted.end(), false) == wanted.end();
  if (marked.generated.empty() || (!all && wanted.size() != marked.generated.size())) return false;
  for (size_t i = 0; i < marked.generated.size(); ++i) {
    if (all || wanted[i]) spoken.learned.push_back(marked.generated[i]);
  }
  return true;
}

}  // namespace

RenderedTurns find_turns(const ChatTemplate& chat, const Conversation& conversation) {
  JinjaText marked = chat.render_with_marks(conversation.messages, conversation.options);
  RenderedTurns spoken{std::move(marked.text), {}, 0};
  if (take_marks(marked, conversation, spoken)) return spoken;
  const Finder finder(chat, conversation, spoken.text);
  for (size_t turn = 0; turn < conversation.learned.size(); ++turn) {
    if (!conversation.learned[turn]) continue;
    if (const auto place = finder.find(turn)) {
      spoken.learned.push_back(*place);
    } else {
      ++spoken.lost;
    }
  }
  return spoken;
}

}  // namespace mop
