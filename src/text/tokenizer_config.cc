// text/tokenizer_config.cc
#include "text/tokenizer_config.h"

#include <algorithm>
#include <charconv>

#include "base/parse_json.h"
#include "text/component.h"
#include "text/token_id.h"

namespace mop {
namespace {

namespace fs = std::filesystem;

// A token is stored as a string or as an object with `content` and flags.
std::optional<AddedToken> read_token(const PartJson& value, bool special) {
  AddedToken token;
  token.special = special;
  token.normalized = !special;
  if (value.is_string()) {
    token.content = value.get<std::string>();
  } else if (value.is_object()) {
    token.content = part_field<std::string>(value, "content", "");
    token.special = special || part_field(value, "special", false);
    token.normalized = part_field(value, "normalized", !token.special);
    token.lstrip = part_field(value, "lstrip", false);
    token.rstrip = part_field(value, "rstrip", false);
    token.single_word = part_field(value, "single_word", false);
  }
  if (token.content.empty()) return std::nullopt;
  return token;
}

void add_once(const AddedToken& token, std::vector<AddedToken>& added) {
  const bool known = std::any_of(added.begin(), added.end(),
                                 [&](const AddedToken& t) { return t.content == token.content; });
  if (!known) added.push_back(token);
}

void add_numbered(const PartJson& decoder, std::vector<AddedToken>& added) {
  for (const auto& [key, value] : decoder.items()) {
    auto token = read_token(value, false);
    int64_t id = -1;
    const auto result = std::from_chars(key.data(), key.data() + key.size(), id);
    if (!token || result.ec != std::errc() || id < 0) {
      throw bad_input("`added_tokens_decoder` has an entry '{}' that is no token", key);
    }
    token->id = checked_token_id(id, token->content);
    add_once(*token, added);
  }
}

// Adds bos_token, eos_token, ... of one file; the first file that names one wins.
void add_special(const PartJson& object, TokenizerConfig& config) {
  for (const char* key : {"bos_token", "eos_token", "unk_token", "pad_token", "cls_token",
                          "sep_token", "mask_token"}) {
    if (!object.contains(key)) continue;
    const auto token = read_token(object[key], true);
    if (!token) continue;
    const std::string_view name = key;
    if (name == "bos_token" && !config.bos) config.bos = token->content;
    if (name == "eos_token" && !config.eos) config.eos = token->content;
    if (name == "unk_token" && !config.unk) config.unk = token->content;
    add_once(*token, config.added);
  }
  // Lists, or objects of named tokens.
  for (const char* key :
       {"additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens"}) {
    if (!object.contains(key) || !object[key].is_structured()) continue;
    for (const PartJson& value : object[key]) {
      if (const auto token = read_token(value, true)) add_once(*token, config.added);
    }
  }
}

// added_tokens.json: {"<pad>": 32000}.
void add_listed(const PartJson& object, TokenizerConfig& config) {
  for (const auto& [content, id] : object.items()) {
    if (!id.is_number_integer()) throw bad_input("`{}` has no integer id", content);
    const int64_t number = checked_token_id(whole_number(id, "an id"), content);
    const auto it =
        std::find_if(config.added.begin(), config.added.end(),
                     [&text = content](const AddedToken& t) { return t.content == text; });
    if (it != config.added.end()) {
      if (it->id < 0) it->id = number;
      continue;
    }
    AddedToken token;
    token.content = content;
    token.id = number;
    token.normalized = true;
    config.added.push_back(std::move(token));
  }
}

std::optional<int64_t> first_id(const PartJson& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end()) return std::nullopt;
  if (it->is_number_integer()) return whole_number(*it, key);
  if (it->is_array() && !it->empty() && it->front().is_number_integer())
    return whole_number(it->front(), key);
  return std::nullopt;
}

// Rejects settings that would change the ids and are not supported.
void refuse_settings(const PartJson& object) {
  for (const char* key : {"split_special_tokens", "fix_mistral_regex"}) {
    if (part_field(object, key, false)) throw bad_input("`{}` is not supported", key);
  }
  const auto arguments = object.find("sp_model_kwargs");
  if (arguments != object.end() && arguments->is_object() &&
      part_field(*arguments, "enable_sampling", false)) {
    throw bad_input("`sp_model_kwargs` makes the ids random: not supported");
  }
}

void read_main_file(const PartJson& object, TokenizerConfig& config) {
  refuse_settings(object);
  config.add_bos = part_field(object, "add_bos_token", config.add_bos);
  config.add_eos = part_field(object, "add_eos_token", config.add_eos);
  config.legacy = part_field(object, "legacy", config.legacy);
  config.add_prefix_space = part_field(object, "add_prefix_space", config.add_prefix_space);
  if (object.contains("added_tokens_decoder"))
    add_numbered(object["added_tokens_decoder"], config.added);
  add_special(object, config);
}

template <typename Read>
void read_one(const fs::path& path, TokenizerConfig& config, Read read) {
  if (!fs::exists(path)) return;
  const PartJson object = read_part_json(path);
  try {
    read(object, config);
  } catch (Error& e) {
    throw std::move(e).where("file", path.string());
  }
}

}  // namespace

TokenizerConfig parse_tokenizer_config(const std::string& text) {
  TokenizerConfig config;
  read_main_file(parse_sorted_json(text), config);
  return config;
}

TokenizerConfig read_tokenizer_config(const fs::path& folder) {
  TokenizerConfig config;
  read_one(folder / "tokenizer_config.json", config, read_main_file);
  read_one(folder / "special_tokens_map.json", config, add_special);
  read_one(folder / "added_tokens.json", config, add_listed);
  read_one(folder / "config.json", config, [](const PartJson& object, TokenizerConfig& c) {
    c.bos_id = first_id(object, "bos_token_id");
    c.eos_id = first_id(object, "eos_token_id");
  });
  return config;
}

}  // namespace mop
