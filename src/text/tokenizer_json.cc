// text/tokenizer_json.cc -- reads the tokenizer.json of the `tokenizers` library.
#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "base/files.h"
#include "base/parse_json.h"
#include "text/bpe_tokenizer.h"
#include "text/token_id.h"

namespace mop {
namespace {

const PartJson& part_of(const PartJson& object, const char* key) {
  static const PartJson null;
  const auto it = object.find(key);
  return it == object.end() ? null : *it;
}

std::vector<Merge> read_merges(const PartJson& list) {
  if (!list.is_array()) throw bad_input("`merges` is not a list");
  std::vector<Merge> merges;
  merges.reserve(list.size());
  for (const PartJson& entry : list) {
    const auto rank = static_cast<int32_t>(merges.size());
    if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
      merges.push_back({entry[0].get<std::string>(), entry[1].get<std::string>(), rank});
      continue;
    }
    const std::string text = entry.is_string() ? entry.get<std::string>() : "";
    const size_t blank = text.find(' ');
    if (blank == text.npos || text.find(' ', blank + 1) != text.npos) {
      throw bad_input("merge {} is neither \"a b\" nor [\"a\", \"b\"]: {}", rank,
                      entry.dump().substr(0, 60));
    }
    merges.push_back({text.substr(0, blank), text.substr(blank + 1), rank});
  }
  return merges;
}

WordModel read_bpe(const PartJson& model) {
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!part_field<std::string>(model, key, "").empty())
      throw bad_input("`{}` is not supported", key);
  }
  if (part_field(model, "dropout", 0.0) > 0)
    throw bad_input("`dropout` makes the ids random: not supported");
  const PartJson& table = part_of(model, "vocab");
  if (!table.is_object()) throw bad_input("`vocab` is not an object of token: id");
  Bpe::Vocabulary vocabulary;
  vocabulary.reserve(table.size());
  for (const auto& [token, id] : table.items()) {
    if (!id.is_number_integer()) throw bad_input("token '{}' has no integer id", token);
    vocabulary.emplace(token,
                       static_cast<int32_t>(checked_token_id(whole_number(id, "an id"), token)));
  }
  BpeOptions options;
  if (const auto unknown = part_field<std::string>(model, "unk_token", ""); !unknown.empty()) {
    options.unknown = unknown;
  }
  options.fuse_unknown = part_field(model, "fuse_unk", false);
  options.byte_fallback = part_field(model, "byte_fallback", false);
  options.ignore_merges = part_field(model, "ignore_merges", false);
  return Bpe(std::move(vocabulary), read_merges(part_of(model, "merges")), std::move(options));
}

// `vocab` is a list of [piece, log probability].
WordModel read_unigram(const PartJson& model) {
  const PartJson& table = part_of(model, "vocab");
  if (!table.is_array()) throw bad_input("`vocab` is not a list of [piece, score]");
  std::vector<std::pair<std::string, double>> pieces;
  pieces.reserve(table.size());
  for (const PartJson& row : table) {
    if (!row.is_array() || row.size() != 2 || !row[0].is_string() || !row[1].is_number())
      throw bad_input("piece {} is not [text, score]", pieces.size());
    pieces.emplace_back(row[0].get<std::string>(), row[1].get<double>());
  }
  UnigramOptions options;
  if (!part_of(model, "unk_id").is_null())
    options.unknown = part_field<int64_t>(model, "unk_id", -1);
  options.byte_fallback = part_field(model, "byte_fallback", false);
  return Unigram(std::move(pieces), options);
}

constexpr Component<WordModel> kModels[] = {{"BPE", read_bpe}, {"Unigram", read_unigram}};

// Files older than `type` are recognised by their keys.
WordModel read_model(const PartJson& model) {
  if (!model.is_object()) throw bad_input("`model` is missing");
  if (model.contains("type")) return make_component<WordModel>(kModels, model, "model");
  if (model.contains("merges")) return read_bpe(model);
  if (part_of(model, "vocab").is_array()) return read_unigram(model);
  throw bad_input("`model` has no `type`").hint("known: BPE, Unigram");
}

std::vector<AddedToken> read_added(const PartJson& list) {
  std::vector<AddedToken> added;
  if (list.is_null()) return added;
  if (!list.is_array()) throw bad_input("`added_tokens` is not a list");
  for (const PartJson& entry : list) {
    AddedToken token;
    token.content = part_field<std::string>(entry, "content", "");
    token.id = part_field<int64_t>(entry, "id", -1);
    token.special = part_field(entry, "special", false);
    token.normalized = part_field(entry, "normalized", !token.special);
    token.lstrip = part_field(entry, "lstrip", false);
    token.rstrip = part_field(entry, "rstrip", false);
    token.single_word = part_field(entry, "single_word", false);
    if (token.content.empty() || token.id < 0)
      throw bad_input("an added token lacks `content` or `id`");
    checked_token_id(token.id, token.content);
    added.push_back(std::move(token));
  }
  return added;
}

std::optional<int64_t> id_of(const BpeParts& parts, const std::string& token) {
  for (const AddedToken& added : parts.added) {
    if (added.content == token) return added.id;
  }
  return parts.model.id_of(token);
}

// Adds tokens that only the files beside tokenizer.json name, by their id in the vocabulary or
// after the last id.
void add_missing(const TokenizerConfig& config, BpeParts& parts) {
  int64_t next = parts.model.size();
  std::unordered_set<std::string> known;
  for (const AddedToken& token : parts.added) {
    next = std::max(next, token.id + 1);
    known.insert(token.content);
  }
  for (AddedToken token : config.added) {
    if (!known.insert(token.content).second) continue;
    if (const auto id = parts.model.id_of(token.content)) {
      token.id = *id;
    } else if (token.id < next) {
      token.id = next;
    }
    next = std::max(next, token.id + 1);
    parts.added.push_back(std::move(token));
  }
}

// Returns the id of the token that the files beside it name, else config.json's, else that of a
// usual spelling.
std::optional<int64_t> find_special(const BpeParts& parts, const std::optional<std::string>& named,
                                    std::optional<int64_t> of_model,
                                    std::initializer_list<const char*> usual) {
  if (named) return id_of(parts, *named);
  if (of_model) return of_model;
  for (const char* text : usual) {
    if (const auto id = id_of(parts, text)) return id;
  }
  return std::nullopt;
}

std::shared_ptr<const Tokenizer> make_tokenizer(const PartJson& object,
                                                const TokenizerConfig& config,
                                                std::string fingerprint) {
  BpeParts parts{.model = read_model(part_of(object, "model")),
                 .added = read_added(part_of(object, "added_tokens")),
                 .normalizer = make_normalizer(part_of(object, "normalizer")),
                 .pre_tokenizer = make_pre_tokenizer(part_of(object, "pre_tokenizer")),
                 .decoder = make_decoder(part_of(object, "decoder")),
                 .surround = read_post_processor(part_of(object, "post_processor")),
                 .bos = {},
                 .eos = {},
                 .kind = "bpe",
                 .fingerprint = std::move(fingerprint)};
  add_missing(config, parts);
  parts.bos = find_special(parts, config.bos, config.bos_id, {"<|begin_of_text|>", "<s>"});
  parts.eos =
      find_special(parts, config.eos, config.eos_id, {"<|end_of_text|>", "</s>", "<|endoftext|>"});
  return std::make_shared<BpeTokenizer>(std::move(parts));
}

}  // namespace

std::shared_ptr<const Tokenizer> make_tokenizer_json(const std::string& text,
                                                     const TokenizerConfig& config) {
  return make_tokenizer(parse_sorted_json(text), config, sha256(text));
}

std::shared_ptr<const Tokenizer> open_tokenizer_json(const std::filesystem::path& file) {
  const PartJson object = read_part_json(file);
  const TokenizerConfig config = read_tokenizer_config(file.parent_path());
  try {
    return make_tokenizer(object, config, sha256(read_file(file)));
  } catch (Error& e) {
    throw std::move(e).where("file", file.string());
  }
}

}  // namespace mop
