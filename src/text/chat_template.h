// text/chat_template.h -- a model's chat template, which renders a conversation as the text format
// the model was trained on.
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
  /// Appends the prompt for the assistant's next turn.
  bool add_generation_prompt = false;
  /// Tools the model may call: a list, or null.
  Json tools = nullptr;
  /// Additional template variables, an object; "enable_thinking" is common.
  Json variables = Json::object();
};

class ChatTemplate {
 public:
  /// `sources` maps names to templates: "default", and "tool_use" for conversations with tools.
  /// `tokens` maps names of special tokens to their texts. `origin` names the model in errors of
  /// `render`. Throws Error(kBadInput) as JinjaTemplate does.
  ChatTemplate(const std::map<std::string, std::string>& sources, Json tokens,
               std::string origin = "");

  /// Renders the conversation like transformers' apply_chat_template, with special tokens written
  /// out. `messages` is a list of {role, content, ...}. Null fields count as absent, and reasoning
  /// is available under all its names (reasoning_content, thinking, reasoning). Throws
  /// Error(kBadInput) with the template's message.
  std::string render(const Json& messages, const ChatOptions& options = {}) const;
  /// The same, with the ranges of `generation` blocks.
  JinjaText render_with_marks(const Json& messages, const ChatOptions& options = {}) const;
  /// The text of BOS; empty when the model's files name none.
  std::string bos() const { return tokens_.value("bos_token", ""); }
  /// Whether the template mentions images. Then the model may be multimodal, and message contents
  /// may have to be lists of parts.
  bool knows_images() const { return knows_images_; }
  /// Whether the template renders contents that are strings. Templates that expect lists of parts
  /// iterate over the characters of a string and render nothing of it.
  bool writes_texts() const { return writes_texts_; }
  /// Returns the special tokens a tokenizer should add to rendered text: none, since templates
  /// write them. Exception: processors of multimodal models add BOS to text that does not begin
  /// with it.
  Special specials_of(std::string_view rendered) const;
  /// SHA-256 of the template sources and of the special tokens they may use.
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
  JinjaTime now_;  ///< fixed, so that all renderings have the same date
};

/// Returns the sources of a model's templates by name; empty when it has none. A folder:
/// chat_template.jinja ("default") and additional_chat_templates/NAME.jinja, else `chat_template`
/// of tokenizer_config.json (one, or a list of {name, template}), else that of chat_template.json,
/// which older processors have. A GGUF file: tokenizer.chat_template and
/// tokenizer.chat_template.tool_use. Throws Error(kBadInput) naming the file.
std::map<std::string, std::string> chat_template_sources(const std::filesystem::path& model);

/// Returns nullptr when the model has no template. Throws Error(kBadInput) with the line and the
/// syntax error.
std::shared_ptr<const ChatTemplate> read_chat_template(const std::filesystem::path& model);

}  // namespace mop
