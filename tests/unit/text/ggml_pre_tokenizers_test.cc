// Every pre-tokenizer that llama.cpp has a name for: its ids (tools/golden/gguf_pre_tokenizers.py),
// and the name that a tokenizer.json gets.
#include "text/ggml_pre_tokenizers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "text/bpe_tokenizer.h"
#include "text/gguf_vocabulary.h"
#include "text/spm_model.h"

namespace mop {
namespace {

const std::string kGolden = MOP_SOURCE_DIR "/tests/golden/tokenizers/";

std::vector<std::string> all_texts(const Json& golden) {
  std::vector<std::string> texts;
  std::ifstream stream(kGolden + "nasty.jsonl");
  for (std::string line; std::getline(stream, line);) texts.push_back(Json::parse(line)["text"]);
  for (const Json& text : golden["extra"]) texts.push_back(text);
  return texts;
}

std::shared_ptr<const Tokenizer> tokenizer_of(const Json& golden, const std::string& pre) {
  GgufVocabulary vocabulary{.model = "gpt2", .pre = pre};
  vocabulary.tokens = golden["tokens"].get<std::vector<std::string>>();
  vocabulary.merges = golden["merges"].get<std::vector<std::string>>();
  vocabulary.types.assign(vocabulary.tokens.size(), static_cast<int64_t>(PieceType::kNormal));
  vocabulary.types.back() = static_cast<int64_t>(PieceType::kControl);
  const auto files = tokenizer_files_of(vocabulary);
  return make_tokenizer_json(files.at("tokenizer.json"),
                             parse_tokenizer_config(files.at("tokenizer_config.json")));
}

TEST(GgmlPreTokenizers, AddedTokensStandInTheVocabularyWithTheirIds) {
  const GgufVocabulary vocabulary{
      .model = "gpt2", .pre = "gpt-2", .tokens = {"<s>", "a", "<u>", "b"}, .types = {3, 1, 4, 1}};
  const Json json = Json::parse(tokenizer_files_of(vocabulary).at("tokenizer.json"));
  EXPECT_EQ(json["model"]["vocab"], (Json{{"<s>", 0}, {"a", 1}, {"<u>", 2}, {"b", 3}}));
  EXPECT_EQ(json["added_tokens"].size(), 2u);
}

bool beyond_ascii(const std::string& text) {
  return std::ranges::any_of(text, [](char c) { return (c & 0x80) != 0; });
}

bool has_digits(const std::string& text) {
  return beyond_ascii(text) || text.find_first_of("0123456789") != text.npos;
}
bool has_digits_or_capitals(const std::string& text) {
  return has_digits(text) || std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

// Texts that llama.cpp may cut otherwise, by the first name of a row.
const std::map<std::string_view, bool (*)(const std::string&)> kDiffer = {
    {"tekken", beyond_ascii},
    {"gpt-4o", beyond_ascii},
    {"falcon", has_digits},
    {"superbpe", beyond_ascii},
    {"deepseek-coder", beyond_ascii},
    {"deepseek-llm", has_digits},
    {"tiny_aya", has_digits_or_capitals},
    {"youtu", has_digits_or_capitals}};

TEST(GgmlPreTokenizers, GiveLlamaCppsIds) {
  const Json golden = read_json(kGolden + "gguf-pre.json");
  const std::vector<std::string> texts = all_texts(golden);
  ASSERT_EQ(texts.size(), golden["variants"].size());
  for (const GgmlPreTokenizer& row : all_ggml_pre_tokenizers()) {
    const auto differs = kDiffer.find(row.names.front());
    EXPECT_EQ(differs != kDiffer.end(), !row.differs.empty()) << row.names.front();
    for (const std::string_view name : row.names) {
      ASSERT_TRUE(golden["names"].contains(name)) << name;
      const Json& theirs = golden["names"][std::string(name)];
      EXPECT_EQ(row.add_bos, theirs["add_bos"].get<bool>()) << name;
      const auto tokenizer = tokenizer_of(golden, std::string(name));
      for (size_t i = 0; i < texts.size(); ++i) {
        if (differs != kDiffer.end() && differs->second(texts[i])) continue;
        const Json& ids = golden["variants"][i][theirs["which"][i].get<size_t>()];
        EXPECT_EQ(Json(tokenizer->encode(texts[i], Special::kNone)), ids)
            << name << ": " << texts[i];
      }
    }
  }
}

// Names that llama.cpp knows and this table does not.
TEST(GgmlPreTokenizers, OnlyEmbeddersAndAFewOthersAreLeftOut) {
  std::vector<std::string> left_out;
  const Json golden = read_json(kGolden + "gguf-pre.json");
  for (const auto& [name, ids] : golden["names"].items()) {
    try {
      ggml_pre_tokenizer(name);
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), ::testing::HasSubstr("unknown pre-tokenizer '" + name + "'"));
      left_out.push_back(name);
    }
  }
  EXPECT_THAT(left_out, ::testing::UnorderedElementsAre("granite-embed-multi-97m", "afmoe"));
}

TEST(GgmlPreTokenizers, EveryRowIsFoundByWhatItDoes) {
  for (const GgmlPreTokenizer& row : all_ggml_pre_tokenizers()) {
    const auto* found = find_ggml_pre_tokenizer(ggml_pre_tokenizer_part(row), row.ignore_merges);
    ASSERT_NE(found, nullptr) << row.names.front();
    EXPECT_EQ(found->names.front(), row.names.front());
  }
}

// The spellings of tokenizer.json files: parts of other types that cut the same.
TEST(GgmlPreTokenizers, AnotherSpellingHasTheSameName) {
  const auto name_of = [](const char* part) -> std::string {
    const auto* row = find_ggml_pre_tokenizer(PartJson::parse(part), false);
    return row == nullptr ? "none" : std::string(row->names.front());
  };
  EXPECT_EQ(name_of(R"({"type":"ByteLevel","add_prefix_space":false})"), "gpt-2");
  EXPECT_EQ(name_of(R"({"type":"Sequence","pretokenizers":[
      {"type":"Digits","individual_digits":true},
      {"type":"ByteLevel","add_prefix_space":false,"use_regex":true}]})"),
            "smollm");
  EXPECT_EQ(name_of(R"({"type":"Sequence","pretokenizers":[
      {"type":"Punctuation","behavior":"Contiguous"},
      {"type":"ByteLevel","add_prefix_space":false,"use_regex":true},
      {"type":"Digits","individual_digits":false},
      {"type":"Split","pattern":{"Regex":"[0-9][0-9][0-9]"},"behavior":"Isolated","invert":false}]})"),
            "falcon");
  EXPECT_EQ(name_of(R"({"type":"ByteLevel","add_prefix_space":true})"), "none");
  EXPECT_EQ(name_of(R"({"type":"Sequence","pretokenizers":[
      {"type":"Digits","individual_digits":true},
      {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})"),
            "none");
}

TEST(GgmlPreTokenizers, MergesDecideBetweenTwoThatCutAlike) {
  const PartJson part = ggml_pre_tokenizer_part(ggml_pre_tokenizer("llama-bpe"));
  EXPECT_EQ(find_ggml_pre_tokenizer(part, true)->names.front(), "llama-bpe");
  EXPECT_EQ(find_ggml_pre_tokenizer(part, false)->names.front(), "smaug-bpe");
}

}  // namespace
}  // namespace mop
