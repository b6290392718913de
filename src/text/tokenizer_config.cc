// text/tokenizer_config.cc
#include "text/tokenizer_config.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <unordered_map>

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

// What is read so far. A file may name very many tokens, so they are found by their texts.
struct Reading {
  TokenizerConfig config;
  std::unordered_map<std::string, size_t> places = {};

  /// The token of this text, which is the given one where there was none.
  AddedToken& add_once(AddedToken token) {
    const auto [it, added] = places.emplace(token.content, config.added.size());
    if (added) config.added.push_back(std::move(token));
    return config.added[it->second];
  }
};

// In the order of the ids, as transformers adds them; the keys are sorted as text.
void add_numbered(const PartJson& decoder, Reading& in) {
  std::vector<AddedToken> tokens;
  for (const auto& [key, value] : decoder.items()) {
    auto token = read_token(value, false);
    int64_t id = -1;
    const auto result = std::from_chars(key.data(), key.data() + key.size(), id);
    if (!token || result.ec != std::errc() || id < 0) {
      throw bad_input("`added_tokens_decoder` has an entry '{}' that is no token", key);
    }
    token->id = checked_token_id(id, token->content);
    tokens.push_back(std::move(*token));
  }
  std::ranges::stable_sort(tokens, {}, &AddedToken::id);
  for (AddedToken& token : tokens) in.add_once(std::move(token));
}

// Adds bos_token, eos_token, ... of one file; the first file that names one wins.
void add_special(const PartJson& object, Reading& in) {
  TokenizerConfig& config = in.config;
  for (const char* key : {"bos_token", "eos_token", "unk_token", "pad_token", "cls_token",
                          "sep_token", "mask_token"}) {
    if (!object.contains(key)) continue;
    const auto token = read_token(object[key], true);
    if (!token) continue;
    const std::string_view name = key;
    if (name == "bos_token" && !config.bos) config.bos = token->content;
    if (name == "eos_token" && !config.eos) config.eos = token->content;
    if (name == "unk_token" && !config.unk) config.unk = token->content;
    in.add_once(*token);
  }
  // Lists, or objects of named tokens.
  for (const char* key :
       {"additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens"}) {
    if (!object.contains(key) || !object[key].is_structured()) continue;
    for (const PartJson& value : object[key]) {
      if (const auto token = read_token(value, true)) in.add_once(*token);
    }
  }
}

// added_tokens.json: {"<pad>": 32000}.
void add_listed(const PartJson& object, Reading& in) {
  for (const auto& [content, id] : object.items()) {
    if (!id.is_number_integer()) throw bad_input("`{}` has no integer id", content);
    const int64_t number = checked_token_id(whole_number(id, "an id"), content);
    AddedToken& token = in.add_once({.content = content, .normalized = true});
    if (token.id < 0) token.id = number;
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

void read_main_file(const PartJson& object, Reading& in) {
  refuse_settings(object);
  TokenizerConfig& config = in.config;
  config.add_bos = part_field(object, "add_bos_token", config.add_bos);
  config.add_eos = part_field(object, "add_eos_token", config.add_eos);
  config.legacy = part_field(object, "legacy", config.legacy);
  config.add_prefix_space = part_field(object, "add_prefix_space", config.add_prefix_space);
  if (object.contains("added_tokens_decoder")) add_numbered(object["added_tokens_decoder"], in);
  add_special(object, in);
}

template <typename Read>
void read_one(const fs::path& path, Reading& in, Read read) {
  if (!fs::exists(path)) return;
  const PartJson object = read_part_json(path);
  try {
    read(object, in);
  } catch (Error& e) {
    throw std::move(e).where("file", path.string());
  }
}

}  // namespace

TokenizerConfig parse_tokenizer_config(const std::string& text) {
  Reading in;
  read_main_file(parse_sorted_json(text), in);
  return std::move(in.config);
}

TokenizerConfig read_tokenizer_config(const fs::path& folder) {
  Reading in;
  read_one(folder / "tokenizer_config.json", in, read_main_file);
  read_one(folder / "special_tokens_map.json", in, add_special);
  read_one(folder / "added_tokens.json", in, add_listed);
  read_one(folder / "config.json", in, [](const PartJson& object, Reading& all) {
    all.config.bos_id = first_id(object, "bos_token_id");
    all.config.eos_id = first_id(object, "eos_token_id");
  });
  return std::move(in.config);
}

}  // namespace mop
