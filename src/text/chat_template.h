// text/chat_template.h -- a model's chat template: a conversation as the text the model was trained
// on.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/json.h"
#include "text/jinja.h"
#include "text/tokenizer.h"

namespace mop {

struct ChatOptions {
  /// Ends with what asks the assistant to speak.
  bool add_generation_prompt = false;
  /// What the model may call: a list, or null.
  Json tools = nullptr;
  /// Further variables of the template, an object; "enable_thinking" is a common one.
  Json variables = Json::object();
};

class ChatTemplate {
 public:
  /// By name: "default", and "tool_use" for conversations with tools. `tokens` are the special
  /// tokens' texts by name. Throws Error(kBadInput) as JinjaTemplate does.
  /// `origin` names the model in what rendering throws.
  ChatTemplate(const std::map<std::string, std::string>& sources, Json tokens,
               std::string origin = "");

  /// The conversation as text, special tokens written out, as transformers' apply_chat_template:
  /// fields that are null count as absent, and reasoning has all its names (reasoning_content,
  /// thinking, reasoning). `messages` is a list of {role, content, ...}. Throws Error(kBadInput)
  /// with the template's own complaint.
  std::string render(const Json& messages, const ChatOptions& options = {}) const;
  /// The same, and what the template marks as the assistant's.
  JinjaText render_with_marks(const Json& messages, const ChatOptions& options = {}) const;
  /// The text of BOS; empty when the model's files name none.
  std::string bos() const { return tokens_.value("bos_token", ""); }
  /// Whether it speaks of images: its model may see, and messages may have to be lists of parts.
  bool knows_images() const { return knows_images_; }
  /// Whether contents that are texts are written. Templates that expect lists of parts go through a
  /// text letter by letter and write nothing of it.
  bool writes_texts() const { return writes_texts_; }
  /// Which special tokens a tokenizer adds to what was rendered: none, since templates write them;
  /// but the processors of models that see add BOS to a text that does not begin with it.
  Special specials_of(std::string_view rendered) const;
  /// SHA-256 of the templates' sources and of the special tokens they may use.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  bool tries_a_text() const;
  template <typename Render>
  auto named(Render render) const;
  const JinjaTemplate& chosen(const ChatOptions& options) const;
  Json variables(const Json& messages, const ChatOptions& options) const;
  std::map<std::string, JinjaTemplate> templates_;
  Json tokens_;
  std::string fingerprint_, origin_;
  bool knows_images_, writes_texts_ = true;
  JinjaTime now_;  ///< one day for all that is rendered
};

/// The sources of a model's templates by name, empty when it has none. A folder's:
/// chat_template.jinja ("default") and additional_chat_templates/NAME.jinja, else `chat_template`
/// of tokenizer_config.json (one, or a list of {name, template}), else that of
/// chat_template.json, which processors had. A GGUF file's: tokenizer.chat_template, and
/// tokenizer.chat_template.tool_use. Throws Error(kBadInput) naming the file.
std::map<std::string, std::string> chat_template_sources(const std::filesystem::path& model);

/// Null when the model has none. Throws Error(kBadInput) naming what is not Jinja, and its line.
std::shared_ptr<const ChatTemplate> read_chat_template(const std::filesystem::path& model);

}  // namespace mop
