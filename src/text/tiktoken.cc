// text/tiktoken.cc -- reads the tiktoken-format tokenizer.model of Llama 3.
#include <algorithm>
#include <charconv>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/files.h"
#include "text/base64.h"
#include "text/bpe_tokenizer.h"
#include "text/byte_alphabet.h"
#include "text/token_id.h"
#include "text/token_pairs.h"

namespace mop {
namespace {

constexpr const char* kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr int64_t kSpecialTokens = 256;

Bpe::Vocabulary read_ranks(const std::string& text) {
  Bpe::Vocabulary ranks;
  int64_t line_number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    ++line_number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const size_t blank = line.find(' ');
    const auto bytes = blank == line.npos ? std::nullopt : from_base64(line.substr(0, blank));
    int32_t rank = -1;
    if (bytes) {
      const auto result = std::from_chars(line.data() + blank + 1, line.data() + line.size(), rank);
      if (result.ec != std::errc() || result.ptr != line.data() + line.size()) rank = -1;
    }
    if (rank < 0) throw bad_input("line {} is not 'base64 rank'", line_number);
    checked_token_id(rank, line.substr(0, blank));
    ranks.emplace(to_byte_alphabet(*bytes), rank);
  }
  return ranks;
}

// A token can be merged from any two tokens whose concatenation it is; its rank is its id.
std::vector<Merge> merges_of(const Bpe::Vocabulary& ranks) {
  std::vector<std::string_view> tokens;
  std::vector<int32_t> ids;
  for (const auto& [token, rank] : ranks) {
    tokens.push_back(token);
    ids.push_back(rank);
  }
  std::vector<Merge> merges;
  for (const auto& [whole, left, right] : pairs_of_tokens(tokens)) {
    merges.push_back({std::string(tokens[left]), std::string(tokens[right]), ids[whole]});
  }
  return merges;
}

std::vector<AddedToken> llama3_special_tokens(int64_t first, const TokenizerConfig& config) {
  static constexpr std::pair<int64_t, const char*> kNamed[] = {{0, "<|begin_of_text|>"},
                                                               {1, "<|end_of_text|>"},
                                                               {6, "<|start_header_id|>"},
                                                               {7, "<|end_header_id|>"},
                                                               {9, "<|eot_id|>"}};
  std::vector<AddedToken> tokens;
  int64_t reserved = 0;
  for (int64_t i = 0; i < kSpecialTokens; ++i) {
    const auto named =
        std::find_if(std::begin(kNamed), std::end(kNamed), [&](auto& n) { return n.first == i; });
    AddedToken token;
    token.id = first + i;
    token.special = true;
    token.content = named != std::end(kNamed)
                        ? named->second
                        : fmt::format("<|reserved_special_token_{}|>", reserved++);
    tokens.push_back(std::move(token));
  }
  // Llama 3.1 renamed some special tokens; tokenizer_config.json has the names.
  std::unordered_map<int64_t, size_t> places;
  for (size_t i = 0; i < tokens.size(); ++i) places.emplace(tokens[i].id, i);
  for (const AddedToken& token : config.added) {
    if (token.id < first) continue;
    const auto [same, added] = places.emplace(token.id, tokens.size());
    if (added) {
      tokens.push_back(token);
    } else {
      tokens[same->second] = token;
    }
  }
  return tokens;
}

std::optional<int64_t> id_of(const std::vector<AddedToken>& tokens, const std::string& content) {
  for (const AddedToken& token : tokens) {
    if (token.content == content) return token.id;
  }
  return std::nullopt;
}

PartJson split_part() {
  return {{"type", "Split"},
          {"pattern", {{"Regex", kLlama3Pattern}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

PartJson bytes_part() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
}

BpeParts read_parts(const std::string& bytes, const TokenizerConfig& config) {
  Bpe::Vocabulary ranks = read_ranks(bytes);
  if (ranks.size() < 256) throw bad_input("{} tokens cannot spell every byte", ranks.size());
  const std::vector<Merge> merges = merges_of(ranks);
  Bpe model(std::move(ranks), merges, {.unknown = {}, .ignore_merges = true});
  std::vector<AddedToken> added = llama3_special_tokens(model.size(), config);
  const auto bos = id_of(added, config.bos.value_or("<|begin_of_text|>"));
  const auto eos = id_of(added, config.eos.value_or("<|end_of_text|>"));
  Surround surround;
  if (config.add_bos && bos) surround.before = {*bos};
  if (config.add_eos && eos) surround.after = {*eos};
  return {
      .model = std::move(model),
      .added = std::move(added),
      .normalizer = make_normalizer(nullptr),
      .pre_tokenizer = make_pre_tokenizer(
          {{"type", "Sequence"}, {"pretokenizers", PartJson::array({split_part(), bytes_part()})}}),
      .decoder = make_decoder(bytes_part()),
      .surround = std::move(surround),
      .bos = bos,
      .eos = eos,
      .kind = "tiktoken",
      .fingerprint = sha256(bytes)};
}

// Returns every merge "a b", ordered by the rank of the result, then by the ranks of the parts.
PartJson merge_list(const Bpe::Vocabulary& ranks) {
  std::vector<Merge> merges = merges_of(ranks);
  const auto order = [&](const Merge& m) {
    return std::tuple(m.rank, ranks.find(m.left)->second, ranks.find(m.right)->second);
  };
  std::ranges::sort(merges, {}, order);
  PartJson list = PartJson::array();
  for (const Merge& merge : merges) list.push_back(merge.left + " " + merge.right);
  return list;
}

}  // namespace

PartJson tiktoken_as_json(const std::string& bytes, const TokenizerConfig& config) {
  const Bpe::Vocabulary ranks = read_ranks(bytes);
  PartJson vocab = PartJson::object(), added = PartJson::array();
  for (const auto& [token, rank] : ranks) vocab[token] = rank;
  const auto first = static_cast<int64_t>(ranks.size());
  for (const AddedToken& token : llama3_special_tokens(first, config)) {
    added.push_back({{"id", token.id}, {"content", token.content}, {"special", token.special}});
  }
  return {
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "Sequence"}, {"pretokenizers", PartJson::array({split_part(), bytes_part()})}}},
      {"model",
       {{"type", "BPE"},
        {"ignore_merges", true},
        {"vocab", vocab},
        {"merges", merge_list(ranks)}}}};
}

std::shared_ptr<const Tokenizer> open_tiktoken(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  const TokenizerConfig config = read_tokenizer_config(file.parent_path());
  try {
    return std::make_shared<BpeTokenizer>(read_parts(bytes, config));
  } catch (Error& e) {
    throw std::move(e).where("file", file.string());
  }
}

}  // namespace mop
