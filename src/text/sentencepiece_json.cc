// text/sentencepiece_json.cc
#include "text/sentencepiece_json.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "text/spm_model.h"
#include "text/token_pairs.h"
#include "text/tokenizer_config.h"

namespace mop {
namespace {
namespace fs = std::filesystem;

Json vocab_of(const SpmModel& model) {
  Json::object_t vocab;
  // Appends without lookup: pieces are distinct, and lookup in this ordered map is linear.
  int64_t id = 0;
  for (const Piece& piece : model.pieces) vocab.push_back({piece.text, id++});
  return vocab;
}

// Each piece is the result of merging two others; higher scores are merged first.
Json merges_of(const SpmModel& model) {
  std::unordered_set<std::string_view> known;
  std::vector<std::string_view> texts;
  std::vector<size_t> ids;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const Piece& piece = model.pieces[id];
    if (piece.type != PieceType::kNormal || !known.insert(piece.text).second) continue;
    texts.push_back(piece.text);
    ids.push_back(id);
  }
  std::vector<std::tuple<float, size_t, size_t>> merges;
  for (const auto& [whole, left, right] : pairs_of_tokens(texts)) {
    merges.emplace_back(-model.pieces[ids[whole]].score, ids[left], ids[right]);
  }
  std::sort(merges.begin(), merges.end());
  Json list = Json::array();
  for (const auto& [score, left, right] : merges) {
    list.push_back(model.pieces[left].text + " " + model.pieces[right].text);
  }
  return list;
}

Json added_tokens(const SpmModel& model) {
  Json list = Json::array();
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const PieceType type = model.pieces[id].type;
    const bool special = type == PieceType::kControl || type == PieceType::kUnknown;
    if (!special && type != PieceType::kUser) continue;
    list.push_back({{"id", id},
                    {"content", model.pieces[id].text},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", special}});
  }
  return list;
}

// BOS and EOS around one text and around two.
Json post_processor(const SpmModel& model, const TokenizerConfig& config) {
  Json special = Json::object();
  const auto add = [&](Json& list, const std::optional<std::string>& text, int type) {
    const auto piece = std::ranges::find(model.pieces, text, &Piece::text);
    if (piece == model.pieces.end()) return;
    special[*text] = {{"id", *text}, {"ids", {piece - model.pieces.begin()}}, {"tokens", {*text}}};
    list.push_back({{"SpecialToken", {{"id", *text}, {"type_id", type}}}});
  };
  const auto sequence = [&](const char* name, int type) {
    Json list = Json::array();
    if (config.add_bos) add(list, config.bos.value_or("<s>"), type);
    list.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    if (config.add_eos) add(list, config.eos.value_or("</s>"), type);
    return list;
  };
  const Json single = sequence("A", 0);
  Json pair = single;
  for (const Json& item : sequence("B", 1)) pair.push_back(item);
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", special}};
}

Json replace(const char* from, const char* to, const char* how = "String") {
  return {{"type", "Replace"}, {"pattern", {{how, from}}}, {"content", to}};
}

// Adds a blank before each text between special tokens (legacy), or before the whole text only.
void add_blanks(const SpmModel& model, const TokenizerConfig& config, Json& json) {
  Json steps = Json::array();
  if (model.one_blank) {
    steps = {replace("\\A +", "", "Regex"), replace(" +", " ", "Regex"),
             replace("[ \u2581]+\\z", "", "Regex")};
  }
  json["pre_tokenizer"] = nullptr;
  if (config.legacy) {
    steps.push_back({{"type", "Prepend"}, {"prepend", kSpmBlank}});
    steps.push_back(replace(" ", kSpmBlank));
  } else {
    json["pre_tokenizer"] = {{"type", "Metaspace"},
                             {"replacement", kSpmBlank},
                             {"prepend_scheme", config.add_prefix_space ? "first" : "never"},
                             {"split", false}};
  }
  json["normalizer"] =
      steps.empty() ? Json() : Json({{"type", "Sequence"}, {"normalizers", steps}});
}

Json decoder(const TokenizerConfig& config) {
  Json steps = {replace(kSpmBlank, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
  if (config.add_prefix_space) {
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  return {{"type", "Sequence"}, {"decoders", steps}};
}

Json make_json(const SpmModel& model, const TokenizerConfig& config) {
  const auto unknown = std::ranges::find(model.pieces, PieceType::kUnknown, &Piece::type);
  Json json = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  json["added_tokens"] = added_tokens(model);
  add_blanks(model, config, json);
  json["post_processor"] = post_processor(model, config);
  json["decoder"] = decoder(config);
  json["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", unknown == model.pieces.end() ? Json() : Json(unknown->text)},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", true},
                   {"byte_fallback", true},
                   {"ignore_merges", false}};
  json["model"]["vocab"] = vocab_of(model);
  json["model"]["merges"] = merges_of(model);
  return json;
}

}  // namespace

std::string sentencepiece_as_json(const fs::path& folder) {
  if (fs::exists(folder / "tokenizer.json") || !fs::exists(folder / "tokenizer.model")) return {};
  try {
    const SpmModel model = read_spm(read_file(folder / "tokenizer.model"));
    if (model.kind != SpmModel::kBpe || model.pieces.empty() || model.changes_letters) return {};
    return to_text(make_json(model, read_tokenizer_config(folder)));
  } catch (const Error&) {
    return {};  // another format with this name
  }
}

}  // namespace mop
