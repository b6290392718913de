// text/gguf_vocabulary.cc -- converts between GGUF metadata, vocabulary and Tokenizer.
#include "text/gguf_vocabulary.h"

#include <unordered_map>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "text/bpe_tokenizer.h"
#include "text/ggml_pre_tokenizers.h"
#include "text/spm_model.h"

namespace mop {
namespace {

constexpr const char* kOneBlank = "remove_extra_whitespaces";
constexpr const char* kChatTemplate = "tokenizer.chat_template";

std::string key(std::string_view name) { return fmt::format("tokenizer.ggml.{}", name); }

bool is_special(int64_t type) {
  return type == static_cast<int64_t>(PieceType::kControl) ||
         type == static_cast<int64_t>(PieceType::kUnknown);
}
bool is_added(int64_t type) {
  return is_special(type) || type == static_cast<int64_t>(PieceType::kUser);
}

const std::string& token(const GgufVocabulary& vocabulary, int64_t id) {
  return vocabulary.tokens.at(static_cast<size_t>(id));
}

// Returns a tokenizer_config.json with the special tokens and whether they are added.
Json config_of(const GgufVocabulary& vocabulary) {
  Json::object_t added;  // appended to without lookup, which is linear
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (!is_added(vocabulary.types[id])) continue;
    added.push_back({std::to_string(id),
                     {{"content", vocabulary.tokens[id]},
                      {"lstrip", false},
                      {"normalized", false},
                      {"rstrip", false},
                      {"single_word", false},
                      {"special", is_special(vocabulary.types[id])}}});
  }
  const bool bytes = vocabulary.model == "gpt2";
  Json config = {{"tokenizer_class", bytes ? "PreTrainedTokenizerFast" : "LlamaTokenizer"},
                 {"add_bos_token", vocabulary.add_bos},
                 {"add_eos_token", vocabulary.add_eos},
                 {"added_tokens_decoder", added}};
  if (!bytes) config["legacy"] = true;
  if (!bytes) config["add_prefix_space"] = vocabulary.add_space_prefix;
  if (vocabulary.bos) config["bos_token"] = token(vocabulary, *vocabulary.bos);
  if (vocabulary.eos) config["eos_token"] = token(vocabulary, *vocabulary.eos);
  if (vocabulary.unknown) config["unk_token"] = token(vocabulary, *vocabulary.unknown);
  if (vocabulary.padding) config["pad_token"] = token(vocabulary, *vocabulary.padding);
  if (!vocabulary.chat_template.empty()) config["chat_template"] = vocabulary.chat_template;
  return config;
}

std::string spm_of(const GgufVocabulary& vocabulary) {
  SpmModel model;
  model.kind = SpmModel::kBpe;
  model.one_blank = vocabulary.one_blank;
  model.add_prefix = vocabulary.add_space_prefix;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    model.pieces.push_back({vocabulary.tokens[id], static_cast<float>(vocabulary.scores[id]),
                            static_cast<PieceType>(vocabulary.types[id])});
  }
  return write_spm(model, vocabulary.bos, vocabulary.eos);
}

Json post_processor_of(const GgufVocabulary& vocabulary) {
  Json single = Json::array(), special = Json::object();
  const auto add = [&](int64_t id) {
    const std::string& text = token(vocabulary, id);
    single.push_back({{"SpecialToken", {{"id", text}, {"type_id", 0}}}});
    special[text] = {{"id", text}, {"ids", {id}}, {"tokens", {text}}};
  };
  if (vocabulary.add_bos && vocabulary.bos) add(*vocabulary.bos);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (vocabulary.add_eos && vocabulary.eos) add(*vocabulary.eos);
  Json pair = single;
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", special}};
}

Json tokenizer_json_of(const GgufVocabulary& vocabulary) {
  const GgmlPreTokenizer& pre = ggml_pre_tokenizer(vocabulary.pre);
  Json::object_t vocab;
  Json added = Json::array();
  std::unordered_map<std::string_view, size_t> last;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) last[vocabulary.tokens[id]] = id;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string& text = vocabulary.tokens[id];
    if (vocabulary.types[id] == static_cast<int64_t>(PieceType::kUnused)) continue;
    // Includes added tokens: the tokenizers library would renumber them otherwise. Of equal tokens
    // the last counts, as in llama.cpp.
    if (last.at(text) == id) vocab.push_back({text, id});
    if (!is_added(vocabulary.types[id])) continue;
    added.push_back({{"id", id},
                     {"content", text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", is_special(vocabulary.types[id])}});
  }
  const Json bytes = {{"type", "ByteLevel"},
                      {"add_prefix_space", false},
                      {"trim_offsets", true},
                      {"use_regex", false}};
  Json json = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  json["added_tokens"] = added;
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = Json(ggml_pre_tokenizer_part(pre));
  json["post_processor"] = post_processor_of(vocabulary);
  json["decoder"] = bytes;
  json["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"ignore_merges", pre.ignore_merges}};
  json["model"]["vocab"] = vocab;
  json["model"]["merges"] = vocabulary.merges;
  return json;
}

std::optional<int64_t> id_in(const GgufFile& file, std::string_view name, size_t size) {
  if (!file.has(key(name))) return std::nullopt;
  const int64_t id = file.integer(key(name));
  if (id < 0 || id >= static_cast<int64_t>(size))
    return std::nullopt;  // some files store "none" as an id out of range
  return id;
}

// Checks that a list has one entry per token.
template <typename List>
void check_length(const List& list, std::string_view name, size_t size) {
  if (list.size() == size) return;
  throw bad_input("'{}' has {} entries for {} tokens", key(name), list.size(), size);
}

GgufVocabulary read_vocabulary(const GgufFile& file) {
  GgufVocabulary result;
  result.model = file.text(key("model"));
  if (result.model == "no_vocab" || result.model == "none") return {.model = "none"};
  if (result.model != "llama" && result.model != "gpt2") {
    throw bad_input("unsupported tokenizer '{}'", result.model)
        .hint("supported: llama (SentencePiece BPE), gpt2 (byte-level BPE)");
  }
  result.tokens = file.texts(key("tokens"));
  const size_t size = result.tokens.size();
  result.types = file.has(key("token_type"))
                     ? file.integers(key("token_type"))
                     : std::vector<int64_t>(size, static_cast<int64_t>(PieceType::kNormal));
  check_length(result.types, "token_type", size);
  for (const int64_t type : result.types) {
    if (type < 0 || type > static_cast<int64_t>(PieceType::kByte))
      throw bad_input("'{}' holds {}, types go from 0 to 6", key("token_type"), type);
  }
  bool add_bos = true;
  if (result.model == "llama") {
    result.scores = file.numbers(key("scores"));
    check_length(result.scores, "scores", size);
  } else {
    result.merges = file.texts(key("merges"));
    result.pre = file.has(key("pre")) ? file.text(key("pre")) : "default";
    add_bos = ggml_pre_tokenizer(result.pre).add_bos;
  }
  const auto flag = [&](std::string_view name, bool fallback) {
    return file.has(key(name)) ? file.flag(key(name)) : fallback;
  };
  result.add_bos = flag("add_bos_token", add_bos);
  result.add_eos = flag("add_eos_token", false);
  result.add_space_prefix = flag("add_space_prefix", result.model == "llama");
  result.one_blank = flag(kOneBlank, false);
  result.bos = id_in(file, "bos_token_id", size);
  result.eos = id_in(file, "eos_token_id", size);
  result.unknown = id_in(file, "unknown_token_id", size);
  result.padding = id_in(file, "padding_token_id", size);
  if (file.has(kChatTemplate)) result.chat_template = file.text(kChatTemplate);
  return result;
}

}  // namespace

GgufVocabulary vocabulary_of_gguf(const GgufFile& file) {
  try {
    return read_vocabulary(file);
  } catch (Error& e) {
    if (std::string_view(e.what()).find("  file:") != std::string_view::npos) throw;
    throw std::move(e).where("file", file.path().string());
  }
}

void put_vocabulary(const GgufVocabulary& vocabulary, GgufMetadata& metadata) {
  const auto put = [&](std::string_view name, GgufValue value) {
    metadata.emplace_back(key(name), std::move(value));
  };
  if (vocabulary.model == "none") return put("model", GgufValue::text("no_vocab"));
  put("model", GgufValue::text(vocabulary.model));
  put("pre", GgufValue::text(vocabulary.pre));
  put("tokens", GgufValue::texts(vocabulary.tokens));
  if (!vocabulary.scores.empty()) put("scores", GgufValue::f32_list(vocabulary.scores));
  put("token_type", GgufValue::i32_list(vocabulary.types));
  if (vocabulary.model == "gpt2") put("merges", GgufValue::texts(vocabulary.merges));
  if (vocabulary.bos) put("bos_token_id", GgufValue::u32(*vocabulary.bos));
  if (vocabulary.eos) put("eos_token_id", GgufValue::u32(*vocabulary.eos));
  if (vocabulary.unknown) put("unknown_token_id", GgufValue::u32(*vocabulary.unknown));
  if (vocabulary.padding) put("padding_token_id", GgufValue::u32(*vocabulary.padding));
  put("add_bos_token", GgufValue::flag(vocabulary.add_bos));
  put("add_eos_token", GgufValue::flag(vocabulary.add_eos));
  put("add_space_prefix", GgufValue::flag(vocabulary.add_space_prefix));
  if (vocabulary.one_blank) put(kOneBlank, GgufValue::flag(true));
  if (!vocabulary.chat_template.empty()) {
    metadata.emplace_back(kChatTemplate, GgufValue::text(vocabulary.chat_template));
  }
}

std::map<std::string, std::string> tokenizer_files_of(const GgufVocabulary& vocabulary) {
  std::map<std::string, std::string> files;
  if (vocabulary.model == "none") return files;
  files["tokenizer_config.json"] = to_text(config_of(vocabulary));
  if (vocabulary.model == "llama") {
    files["tokenizer.model"] = spm_of(vocabulary);
  } else {
    files["tokenizer.json"] = to_text(tokenizer_json_of(vocabulary));
  }
  return files;
}

std::shared_ptr<const Tokenizer> open_gguf_tokenizer(const std::filesystem::path& path) {
  const GgufVocabulary vocabulary = vocabulary_of_gguf(GgufFile::open(path));
  try {
    const auto files = tokenizer_files_of(vocabulary);
    if (files.empty()) throw bad_input("there is no tokenizer in the file");
    const TokenizerConfig config = parse_tokenizer_config(files.at("tokenizer_config.json"));
    return vocabulary.model == "llama" ? make_sentencepiece(files.at("tokenizer.model"), config)
                                       : make_tokenizer_json(files.at("tokenizer.json"), config);
  } catch (Error& e) {
    throw std::move(e).where("file", path.string());
  }
}

}  // namespace mop
