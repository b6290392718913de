// text/chat_template.cc
#include "text/chat_template.h"

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/parse_json.h"
#include "checkpoint/gguf.h"
#include "text/gguf_vocabulary.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using Sources = std::map<std::string, std::string>;

constexpr const char* kReasoning[] = {"reasoning_content", "thinking", "reasoning"};

// As transformers: removes null fields and sets all names of reasoning.
Json plain_message(const Json& message) {
  if (!message.is_object())
    throw bad_input("a message is a {}, not an object", message.type_name());
  Json::object_t plain;  // appended to without lookup, which is linear
  const auto reasoning = std::find_if(std::begin(kReasoning), std::end(kReasoning), [&](auto key) {
    return message.contains(key) && !message[key].is_null();
  });
  const bool reasons = reasoning != std::end(kReasoning);
  if (reasons) plain.push_back({"thinking", message[*reasoning]});
  for (const auto& [key, value] : message.items()) {
    if (value.is_null()) continue;
    if (key == "thinking") {
      plain.front().second = value;
    } else {
      plain.push_back({key, value});
    }
  }
  const bool has_it = reasons && *reasoning == kReasoning[0];
  if (reasons && !has_it) plain.push_back({kReasoning[0], message[*reasoning]});
  return plain;
}

// Returns a string member of an object; empty when it is absent or not a string.
std::string text_of(const Json& object, const char* key) {
  const bool has = object.is_object() && object.contains(key) && object[key].is_string();
  return has ? object[key].get<std::string>() : "";
}

// A special token is stored as a string or as an object with `content`.
std::string token_text(const Json& token) {
  if (token.is_string()) return token.get<std::string>();
  return text_of(token, "content");
}

void add_special_tokens(const Json& config, Json& tokens) {
  for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                          "cls_token", "mask_token"}) {
    if (tokens.contains(key) || !config.is_object() || !config.contains(key)) continue;
    const std::string text = token_text(config[key]);
    if (!text.empty()) tokens[key] = text;
  }
}

Json gguf_config(const fs::path& file) {
  const auto files = tokenizer_files_of(vocabulary_of_gguf(GgufFile::open(file)));
  const auto found = files.find("tokenizer_config.json");
  return found == files.end() ? Json::object() : parse_json(found->second);
}

Json special_tokens(const fs::path& model) {
  Json tokens = Json::object();
  if (!fs::is_directory(model)) {
    add_special_tokens(gguf_config(model), tokens);
    return tokens;
  }
  for (const char* file : {"tokenizer_config.json", "special_tokens_map.json"}) {
    if (fs::exists(model / file)) add_special_tokens(read_json(model / file), tokens);
  }
  return tokens;
}

// `chat_template`: one template, or a list of {name, template}.
Sources sources_in(const fs::path& file) {
  if (!fs::exists(file)) return {};
  const Json config = read_json(file);
  if (!config.is_object() || !config.contains("chat_template")) return {};
  const Json& value = config["chat_template"];
  if (value.is_null()) return {};
  if (value.is_string()) return {{"default", value.get<std::string>()}};
  Sources sources;
  if (value.is_array()) {
    for (const Json& named : value) {
      if (named.is_object()) sources[text_of(named, "name")] = text_of(named, "template");
    }
  }
  if (!sources.contains("default"))
    throw bad_input("`chat_template` is neither a text nor a list with one called \"default\"")
        .where("file", file.string());
  return sources;
}

Sources sources_of_folder(const fs::path& folder) {
  Sources sources;
  if (fs::exists(folder / "chat_template.jinja"))
    sources["default"] = read_file(folder / "chat_template.jinja");
  if (fs::is_directory(folder / "additional_chat_templates")) {
    for (const auto& entry : fs::directory_iterator(folder / "additional_chat_templates")) {
      if (entry.path().extension() == ".jinja")
        sources[entry.path().stem().string()] = read_file(entry.path());
    }
  }
  if (sources.empty()) sources = sources_in(folder / "tokenizer_config.json");
  if (sources.empty()) sources = sources_in(folder / "chat_template.json");
  return sources;
}

Sources sources_of_gguf(const fs::path& path) {
  const GgufFile file = GgufFile::open(path);
  const std::string key = "tokenizer.chat_template";
  Sources sources;
  if (file.has(key)) sources["default"] = file.text(key);
  if (file.has(key + ".tool_use")) sources["tool_use"] = file.text(key + ".tool_use");
  return sources;
}

std::string fingerprint_of(const Sources& sources, const Json& tokens) {
  std::string all;
  for (const auto& [name, source] : sources) all += (name == "default" ? "" : name) + source;
  return sha256(all + tokens.dump());
}

}  // namespace

ChatTemplate::ChatTemplate(const Sources& sources, Json tokens, std::string origin)
    : tokens_(std::move(tokens)),
      fingerprint_(fingerprint_of(sources, tokens_)),
      origin_(std::move(origin)),
      knows_images_(std::ranges::any_of(
          sources, [](const auto& one) { return one.second.find("image") != std::string::npos; })),
      now_(jinja_now()) {
  for (const auto& [name, source] : sources) {
    try {
      if (name == "default" || name == "tool_use") templates_.emplace(name, source);
    } catch (Error& e) {
      throw std::move(e).where("template", name);
    }
  }
  if (templates_.empty()) throw bad_input("there is no chat template called \"default\"");
  if (knows_images_) writes_texts_ = tries_a_text();
}

bool ChatTemplate::tries_a_text() const {
  constexpr const char* kText = "mop-1e4f9b7c";  // a string that no template contains
  try {
    return render({{{"role", "user"}, {"content", kText}}}).find(kText) != std::string::npos;
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kBadInput) throw;
    return true;  // it rejects a conversation of one message; assume that it renders strings
  }
}

Special ChatTemplate::specials_of(std::string_view rendered) const {
  const bool lacks = !bos().empty() && !rendered.starts_with(bos());
  return knows_images_ && lacks ? Special::kDefault : Special::kNone;
}

const JinjaTemplate& ChatTemplate::chosen(const ChatOptions& options) const {
  const auto with_tools = templates_.find("tool_use");
  if (!options.tools.is_null() && with_tools != templates_.end()) return with_tools->second;
  const auto usual = templates_.find("default");
  if (usual != templates_.end()) return usual->second;
  throw bad_input("the model has chat templates, but none called \"default\"");
}

Json ChatTemplate::variables(const Json& messages, const ChatOptions& options) const {
  if (!messages.is_array() || messages.empty()) throw bad_input("a conversation has no messages");
  Json variables = tokens_;
  variables["messages"] = Json::array();
  for (const Json& message : messages) variables["messages"].push_back(plain_message(message));
  variables["tools"] = options.tools;
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = options.add_generation_prompt;
  for (const auto& [name, value] : options.variables.items()) variables[name] = value;
  return variables;
}

template <typename Render>
auto ChatTemplate::named(Render render) const {
  try {
    return render();
  } catch (Error& e) {
    if (origin_.empty()) throw;
    throw std::move(e).where("chat template of", origin_);
  }
}

std::string ChatTemplate::render(const Json& messages, const ChatOptions& options) const {
  return named([&] { return chosen(options).render(variables(messages, options), now_); });
}

JinjaText ChatTemplate::render_with_marks(const Json& messages, const ChatOptions& options) const {
  return named(
      [&] { return chosen(options).render_with_marks(variables(messages, options), now_); });
}

Sources chat_template_sources(const fs::path& model) {
  if (fs::is_directory(model)) return sources_of_folder(model);
  return GgufFile::is_gguf(model) ? sources_of_gguf(model) : Sources();
}

std::shared_ptr<const ChatTemplate> read_chat_template(const fs::path& model) {
  try {
    const Sources sources = chat_template_sources(model);
    if (sources.empty()) return nullptr;
    return std::make_shared<ChatTemplate>(sources, special_tokens(model), model.string());
  } catch (Error& e) {
    if (e.kind() != ErrorKind::kBadInput) throw;
    throw std::move(e).where("chat template of", model.string());
  }
}

}  // namespace mop
