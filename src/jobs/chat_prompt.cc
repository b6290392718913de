// jobs/chat_prompt.cc
#include "jobs/chat_prompt.h"

#include "base/error.h"
#include "text/chat_template.h"
#include "text/record_pictures.h"
#include "text/unicode.h"

namespace mop {
namespace {

// The command line gives any bytes; a tokenizer's `encode` reads them in the same way.
Json message(const char* role, const std::string& bytes) {
  return {{"role", role}, {"content", replace_invalid_utf8(bytes)}};
}

// Reads a list of messages, or an object with `messages` and optional `tools`.
Json read_messages(const std::filesystem::path& file, ChatOptions& options) {
  Json json = read_json(file);
  if (json.is_object()) {
    options.tools = json.value("tools", Json());
    json = json.value("messages", Json());
  }
  if (json.is_array() && !json.empty()) return json;
  throw bad_input(
      "the file has no conversation: expected a list of messages or an object "
      "with `messages`")
      .where("file", file.string());
}

}  // namespace

std::string chat_prompt(const GenerateJob& job) {
  const auto chat = read_chat_template(job.model);
  if (chat == nullptr) {
    throw usage_error("the model has no chat template")
        .where("model", job.model.string())
        .hint("omit --chat to continue the prompt as it is");
  }
  ChatOptions options{.add_generation_prompt = true};
  Json messages = Json::array();
  if (!job.system.empty()) messages.push_back(message("system", job.system));
  if (job.messages.empty()) {
    messages.push_back(message("user", job.prompt));
  } else {
    for (Json& one : read_messages(job.messages, options)) messages.push_back(std::move(one));
  }
  try {
    // Images precede the prompt unless it contains placeholders.
    if (!job.images.empty() && job.messages.empty())
      messages.back() = message("user", with_words_of_pictures(job.prompt, job.images.size()));
    const Conversation asked =
        as_template_expects({messages, {}, options}, *chat, job.images.size());
    return chat->render(asked.messages, options);
  } catch (Error& error) {
    throw std::move(error).where("chat template of", job.model.string());
  }
}

}  // namespace mop
