// text/chat_template.cc
#include "text/chat_template.h"

#include "base/error.h"
#include "base/files.h"
#include "text/jinja.h"

namespace mop {
namespace {

namespace fs = std::filesystem;

class ReadTemplate final : public ChatTemplate {
 public:
  ReadTemplate(const std::string& source, Json tokens)
      : template_(source),
        tokens_(std::move(tokens)),
        fingerprint_(sha256(source + tokens_.dump())) {}

  std::string render(const Json& messages, const ChatOptions& options) const override {
    Json variables = tokens_;
    variables["messages"] = messages;
    variables["tools"] = nullptr;
    variables["documents"] = nullptr;
    variables["add_generation_prompt"] = options.add_generation_prompt;
    return template_.render(variables);
  }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  JinjaTemplate template_;
  Json tokens_;
  std::string fingerprint_;
};

// A special token is written as a text or as an object with `content`.
std::string token_text(const Json& token) {
  if (token.is_string()) return token.get<std::string>();
  return token.is_object() ? token.value("content", "") : "";
}

Json special_tokens(const fs::path& folder) {
  Json tokens = Json::object();
  for (const char* file : {"tokenizer_config.json", "special_tokens_map.json"}) {
    if (!fs::exists(folder / file)) continue;
    const Json config = read_json(folder / file);
    for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                            "cls_token", "mask_token"}) {
      if (tokens.contains(key) || !config.contains(key)) continue;
      const std::string text = token_text(config[key]);
      if (!text.empty()) tokens[key] = text;
    }
  }
  return tokens;
}

// One template, or a list of {name, template} of which "default" counts.
std::string source_in(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) {
    for (const Json& named : value) {
      if (named.is_object() && named.value("name", "") == "default")
        return named.value("template", "");
    }
  }
  throw bad_input("`chat_template` is neither a text nor a list with one called \"default\"");
}

}  // namespace

std::shared_ptr<const ChatTemplate> read_chat_template(const fs::path& folder) {
  fs::path file = folder / "chat_template.jinja";
  try {
    std::string source;
    if (fs::exists(file)) {
      source = read_file(file);
    } else {
      file = folder / "tokenizer_config.json";
      if (!fs::exists(file)) return nullptr;
      const Json config = read_json(file);
      if (!config.contains("chat_template") || config["chat_template"].is_null()) return nullptr;
      source = source_in(config["chat_template"]);
    }
    return std::make_shared<ReadTemplate>(source, special_tokens(folder));
  } catch (Error& e) {
    if (e.kind() != ErrorKind::kBadInput) throw;
    throw std::move(e).where("chat template", file.string());
  }
}

}  // namespace mop
