// text/chat_template.h -- a model's chat template: a conversation as the text the model was trained
// on.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "base/json.h"

namespace mop {

struct ChatOptions {
  /// Ends with what asks the assistant to speak.
  bool add_generation_prompt = false;
};

class ChatTemplate {
 public:
  virtual ~ChatTemplate() = default;
  /// The conversation as text, special tokens written out. `messages` is a list of {role, content,
  /// ...}. Throws Error(kBadInput) with the template's own complaint.
  virtual std::string render(const Json& messages, const ChatOptions& options) const = 0;
  std::string render(const Json& messages) const { return render(messages, {}); }
  /// SHA-256 of the template's source and of the special tokens it may use.
  virtual std::string fingerprint() const = 0;
};

/// chat_template.jinja, else `chat_template` of tokenizer_config.json (with several, the one called
/// "default"); null when the folder has none. Throws Error(kBadInput) naming the first thing in it
/// that we cannot do, and its line.
std::shared_ptr<const ChatTemplate> read_chat_template(const std::filesystem::path& folder);

}  // namespace mop
