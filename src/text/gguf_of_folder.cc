// text/gguf_of_folder.cc -- Hugging Face's tokenizer files -> the vocabulary of a GGUF file.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/files.h"
#include "base/library_error.h"
#include "text/bpe_tokenizer.h"
#include "text/chat_template.h"
#include "text/ggml_pre_tokenizers.h"
#include "text/gguf_vocabulary.h"
#include "text/spm_model.h"
#include "text/token_id.h"
#include "text/token_pairs.h"

namespace mop {
namespace {
namespace fs = std::filesystem;

constexpr double kLowScore = -1000;  // for tokens that are never the result of a merge

// Extends the vocabulary to `size`; the added tokens are unused.
void make_room(GgufVocabulary& vocabulary, size_t size) {
  for (size_t id = vocabulary.tokens.size(); id < size; ++id) {
    vocabulary.tokens.push_back(fmt::format("[PAD{}]", id));
    vocabulary.types.push_back(static_cast<int64_t>(PieceType::kUnused));
    if (vocabulary.model == "llama") vocabulary.scores.push_back(kLowScore);
  }
}

void put_token(GgufVocabulary& vocabulary, int64_t id, const std::string& text, PieceType type) {
  make_room(vocabulary, static_cast<size_t>(id) + 1);
  vocabulary.tokens[static_cast<size_t>(id)] = text;
  vocabulary.types[static_cast<size_t>(id)] = static_cast<int64_t>(type);
}

// The ids of tokens by their texts, of equal texts the first.
using Ids = std::unordered_map<std::string, int64_t>;

// Adds the tokens from the id `first` on.
void add_ids(const GgufVocabulary& vocabulary, size_t first, Ids& ids) {
  for (size_t id = first; id < vocabulary.tokens.size(); ++id) {
    ids.emplace(vocabulary.tokens[id], static_cast<int64_t>(id));
  }
}

Ids ids_of(const GgufVocabulary& vocabulary) {
  Ids ids;
  add_ids(vocabulary, 0, ids);
  return ids;
}

std::optional<int64_t> id_of(const Ids& ids, const std::string& text) {
  const auto it = ids.find(text);
  if (it == ids.end()) return std::nullopt;
  return it->second;
}

// Adds tokens from outside the model: after its own, or as the type of an existing piece.
void put_added(GgufVocabulary& vocabulary, const std::vector<AddedToken>& added) {
  Ids ids = ids_of(vocabulary);
  for (const AddedToken& token : added) {
    int64_t id = id_of(ids, token.content).value_or(token.id);
    if (id < 0) id = static_cast<int64_t>(vocabulary.tokens.size());
    const auto at = static_cast<size_t>(id);
    const bool fixed = at < vocabulary.types.size() &&
                       vocabulary.types[at] != static_cast<int64_t>(PieceType::kNormal) &&
                       vocabulary.types[at] != static_cast<int64_t>(PieceType::kUnused);
    if (fixed) continue;
    const size_t before = vocabulary.tokens.size();
    if (at < before && id_of(ids, vocabulary.tokens[at]) == id) ids.erase(vocabulary.tokens[at]);
    put_token(vocabulary, id, token.content,
              token.special ? PieceType::kControl : PieceType::kUser);
    ids.emplace(token.content, id);
    add_ids(vocabulary, before, ids);
  }
}

GgufVocabulary of_spm(const std::string& bytes, const TokenizerConfig& config) {
  const SpmModel model = read_spm(bytes);
  if (model.pieces.empty()) throw bad_input("not a SentencePiece model");
  if (model.kind != SpmModel::kBpe) {
    throw bad_input("a SentencePiece model of kind Unigram: llama.cpp reads BPE ones as LLaMA's");
  }
  GgufVocabulary result{.model = "llama"};
  for (const Piece& piece : model.pieces) {
    result.tokens.push_back(piece.text);
    result.scores.push_back(piece.score);
    result.types.push_back(static_cast<int64_t>(piece.type));
    if (piece.type == PieceType::kUnknown) {
      result.unknown = static_cast<int64_t>(result.tokens.size()) - 1;
    }
  }
  put_added(result, config.added);
  result.add_space_prefix = config.legacy ? model.add_prefix : config.add_prefix_space;
  if (!config.legacy) {
    result.notes.push_back(
        "llama.cpp puts a blank behind special tokens in a text, this tokenizer "
        "does not (legacy: false)");
  }
  if (std::ranges::find(model.pieces, PieceType::kUser, &Piece::type) != model.pieces.end()) {
    result.notes.push_back(
        "llama.cpp cuts user-defined symbols out of a text before it puts blanks in front");
  }
  result.one_blank = model.one_blank;
  if (model.one_blank) {
    result.notes.push_back(
        "llama.cpp keeps repeated and outer blanks, which this tokenizer removes");
  }
  if (model.changes_letters) {
    result.notes.push_back("llama.cpp does not normalise letters, which this tokenizer does");
  }
  return result;
}

// Returns the merges as "a b".
std::vector<std::string> merges_of(const PartJson& model) {
  std::vector<std::string> merges;
  for (const PartJson& merge : model.value("merges", PartJson::array())) {
    merges.push_back(merge.is_array()
                         ? merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>()
                         : merge.get<std::string>());
  }
  return merges;
}

void put_vocab(const PartJson& object, GgufVocabulary& vocabulary) {
  for (const auto& [text, id] : object.at("model").at("vocab").items()) {
    put_token(vocabulary, checked_token_id(whole_number(id, "an id"), text), text,
              PieceType::kNormal);
  }
}

std::vector<AddedToken> added_of(const PartJson& object, const TokenizerConfig& config) {
  std::vector<AddedToken> added;
  for (const PartJson& entry : object.value("added_tokens", PartJson::array())) {
    AddedToken token;
    token.content = part_field<std::string>(entry, "content", "");
    token.id = checked_token_id(part_field<int64_t>(entry, "id", -1), token.content);
    token.special = part_field(entry, "special", false);
    added.push_back(token);
  }
  for (const AddedToken& token : config.added) added.push_back(token);
  return added;
}

GgufVocabulary of_byte_level(const PartJson& object, const TokenizerConfig& config) {
  const PartJson pre = object.value("pre_tokenizer", PartJson());
  const bool ignore_merges = part_field(object.at("model"), "ignore_merges", false);
  const GgmlPreTokenizer* row = find_ggml_pre_tokenizer(pre, ignore_merges);
  if (row == nullptr) {
    throw bad_input("llama.cpp has no name for this pre-tokenizer: {}", pre.dump().substr(0, 200))
        .hint("known: " + ggml_pre_tokenizer_names());
  }
  GgufVocabulary result{.model = "gpt2", .pre = std::string(row->names.front())};
  if (!row->differs.empty()) {
    result.notes.push_back(
        fmt::format("with the pre-tokenizer {} llama.cpp {}, this tokenizer "
                    "does not",
                    row->names.front(), row->differs));
  }
  const PartJson normalizer = object.value("normalizer", PartJson());
  if (!normalizer.is_null()) {
    const auto type = part_field<std::string>(normalizer, "type", "");
    if (type != "NFC") throw bad_input("llama.cpp has no normalizer '{}'", type);
    result.notes.push_back("llama.cpp does not compose characters (NFC), this tokenizer does");
  }
  put_vocab(object, result);
  put_added(result, added_of(object, config));
  result.merges = merges_of(object.at("model"));
  result.add_space_prefix = false;
  if (ignore_merges != row->ignore_merges) {
    result.notes.push_back(
        fmt::format("llama.cpp {} merges for words that are tokens, this "
                    "tokenizer does not",
                    row->ignore_merges ? "ignores" : "follows"));
  }
  return result;
}

// Sets a piece's score from the rank of its first merge. Requires that no merge is missing and that
// the merges of a piece are consecutive; otherwise merging by score differs from merging by rank.
void score_by_merges(GgufVocabulary& vocabulary, const std::vector<std::string>& merges) {
  std::unordered_map<std::string, int64_t> first, last, count;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const size_t blank = merges[rank].find(' ');
    if (blank == std::string::npos) throw bad_input("merge {} is not \"a b\"", rank);
    const std::string made = merges[rank].substr(0, blank) + merges[rank].substr(blank + 1);
    first.emplace(made, rank);
    last[made] = static_cast<int64_t>(rank);
    ++count[made];
  }
  const Ids ids = ids_of(vocabulary);
  for (const auto& [made, rank] : first) {
    if (last[made] - rank + 1 != count[made]) {
      throw bad_input("its merges into '{}' do not stand together, as a SentencePiece model's do",
                      made);
    }
    if (const auto id = id_of(ids, made)) {
      vocabulary.scores[static_cast<size_t>(*id)] = -static_cast<double>(rank);
    }
  }
}

// Merging by score joins any two tokens whose concatenation is a token, so each such pair must be a
// merge.
void check_all_merged(const GgufVocabulary& vocabulary, const std::vector<std::string>& merges) {
  std::unordered_set<std::string_view> seen;
  std::vector<std::string_view> texts;
  std::vector<size_t> ids;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (!seen.insert(vocabulary.tokens[id]).second) continue;
    texts.push_back(vocabulary.tokens[id]);
    ids.push_back(id);
  }
  const std::unordered_set<std::string> known(merges.begin(), merges.end());
  for (const auto& [whole, l, r] : pairs_of_tokens(texts)) {
    if (vocabulary.types[ids[whole]] != static_cast<int64_t>(PieceType::kNormal)) continue;
    const std::string left(texts[l]), right(texts[r]);
    if (known.contains(left + " " + right)) continue;
    throw bad_input("'{}' and '{}' are never merged, as those of a SentencePiece model are", left,
                    right)
        .hint("llama.cpp would merge them; a folder with tokenizer.model can be written");
  }
}

bool is_byte_token(std::string_view text) {
  return text.size() == 6 && text.starts_with("<0x") && text.ends_with('>');
}

// LLaMA 2's and Mistral's tokenizer.json, which represent a SentencePiece model.
GgufVocabulary of_metaspace(const PartJson& object, const TokenizerConfig& config) {
  const std::string around = object.value("normalizer", PartJson()).dump() +
                             object.value("pre_tokenizer", PartJson()).dump();
  const PartJson& model = object.at("model");
  if (around.find(kSpmBlank) == std::string::npos || !part_field(model, "byte_fallback", false)) {
    throw bad_input("llama.cpp cannot express this tokenizer.json: neither byte-level nor LLaMA's");
  }
  GgufVocabulary result{.model = "llama"};
  put_vocab(object, result);
  result.scores.assign(result.tokens.size(), 0);
  score_by_merges(result, merges_of(model));
  for (size_t id = 0; id < result.tokens.size(); ++id) {
    if (is_byte_token(result.tokens[id])) {
      result.types[id] = static_cast<int64_t>(PieceType::kByte);
    }
  }
  const auto unknown = id_of(ids_of(result), part_field<std::string>(model, "unk_token", "<unk>"));
  if (unknown) {
    result.unknown = unknown;
    result.types[static_cast<size_t>(*unknown)] = static_cast<int64_t>(PieceType::kUnknown);
  }
  put_added(result, added_of(object, config));
  check_all_merged(result, merges_of(model));
  result.add_space_prefix = around.find("Prepend") != std::string::npos ||
                            (around.find("Metaspace") != std::string::npos &&
                             around.find("\"never\"") == std::string::npos);
  if (around.find("\"first\"") != std::string::npos) {
    result.notes.push_back(
        "llama.cpp puts a blank behind special tokens in a text, this tokenizer does not");
  }
  return result;
}

GgufVocabulary of_files(const fs::path& folder, const TokenizerConfig& config) {
  const fs::path model = folder / "tokenizer.model";
  const std::string bytes = fs::exists(model) ? read_file(model) : "";
  const bool ranks = looks_like_ranks(bytes.substr(0, 4096));
  if (fs::exists(folder / "tokenizer.json")) {
    const PartJson object = read_part_json(folder / "tokenizer.json");
    if (object.value("model", PartJson()).value("type", "") == "Unigram")
      throw bad_input("a Unigram tokenizer.json cannot be written as GGUF");
    const std::string pre = object.value("pre_tokenizer", PartJson()).dump();
    if (pre.find("\"ByteLevel\"") != std::string::npos) return of_byte_level(object, config);
    if (bytes.empty() || ranks) return of_metaspace(object, config);
  }
  if (bytes.empty()) return {.model = "none"};
  return ranks ? of_byte_level(tiktoken_as_json(bytes, config), config) : of_spm(bytes, config);
}

std::string chat_template_of(const fs::path& folder) {
  const auto sources = chat_template_sources(folder);
  const auto usual = sources.find("default");
  return usual == sources.end() ? "" : usual->second;
}

}  // namespace

GgufVocabulary vocabulary_of_folder(const fs::path& folder, int64_t size) {
  try {
    GgufVocabulary result = of_files(folder, read_tokenizer_config(folder));
    if (result.model == "none") return result;
    if (static_cast<int64_t>(result.tokens.size()) > size) {
      throw bad_input("the tokenizer has {} tokens, the model's embedding {}", result.tokens.size(),
                      size);
    }
    make_room(result, static_cast<size_t>(size));
    const auto tokenizer = open_tokenizer(folder);
    result.bos = tokenizer->bos();
    result.eos = tokenizer->eos();
    const std::vector<int64_t> around = tokenizer->encode("", Special::kDefault);
    result.add_bos = result.bos && !around.empty() && around.front() == *result.bos;
    result.add_eos =
        result.eos && around.size() > (result.add_bos ? 1u : 0u) && around.back() == *result.eos;
    result.chat_template = chat_template_of(folder);
    return result;
  } catch (const PartJson::exception& e) {
    throw bad_input("the tokenizer's files are damaged: {}", json_complaint(e))
        .where("folder", folder.string());
  } catch (Error& e) {
    throw std::move(e).where("tokenizer", folder.string());
  }
}

}  // namespace mop
