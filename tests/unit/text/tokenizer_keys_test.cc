#include "text/tokenizer_keys.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"
#include "kit/upstream_keys.h"
#include "text/bpe_tokenizer.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Ids = std::vector<int64_t>;

TEST(TokenizerKeys, EveryKeyOfTokenizersHasAFate) {
  expect_every_key_has_a_fate(
      tokenizer_json_keys(), "tokenizer.json",
      {"pre_tokenizer.Metaspace.add_prefix_space", "pre_tokenizer.Metaspace.str_rep",
       "decoder.Metaspace.add_prefix_space", "decoder.Metaspace.str_rep"});
}

TEST(TokenizerKeys, EveryKeyOfTransformersHasAFate) {
  expect_every_key_has_a_fate(tokenizer_config_keys(), "tokenizer_config.json");
}

// A tokenizer of three tokens with one part replaced.
Json small() {
  return Json::parse(R"({"added_tokens": [{"id": 2, "content": "<s>", "special": true},
                                          {"id": 3, "content": "</s>", "special": true}],
                         "normalizer": null, "pre_tokenizer": null, "post_processor": null,
                         "decoder": null,
                         "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}})");
}

std::string refusal(const Json& tokenizer, const std::string& config = "{}") {
  try {
    make_tokenizer_json(tokenizer.dump(), parse_tokenizer_config(config));
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    return e.what();
  }
  return "nothing was refused";
}

// Every row "section.Type*" that says refused: the type is named in the error.
TEST(TokenizerKeys, PartsThatAreRefusedAreNamed) {
  int64_t tried = 0;
  for (const KeyFate& row : tokenizer_json_keys().keys) {
    std::string key(row.key);
    if (row.fate != Fate::kRefused) continue;
    if (key.ends_with('*')) key.pop_back();
    const size_t dot = key.find('.');
    const std::string section = key.substr(0, dot), type = key.substr(dot + 1);
    if (type.find('.') != type.npos) continue;  // of a part that is not refused as a whole
    Json tokenizer = small();
    tokenizer[section] = {{"type", type}};
    EXPECT_THAT(refusal(tokenizer), HasSubstr("'" + type + "' is not supported"));
    ++tried;
  }
  EXPECT_EQ(tried, 10);
}

TEST(TokenizerKeys, SettingsThatChangeTheIdsAreRefused) {
  for (const auto& [key, value] : {std::pair<const char*, Json>{"dropout", 0.1},
                                   {"continuing_subword_prefix", "##"},
                                   {"end_of_word_suffix", "</w>"}}) {
    Json tokenizer = small();
    tokenizer["model"][key] = value;
    EXPECT_THAT(refusal(tokenizer), HasSubstr(key));
  }
  for (const std::string config :
       {R"({"split_special_tokens": true})", R"({"fix_mistral_regex": true})",
        R"({"sp_model_kwargs": {"enable_sampling": true}})"}) {
    const std::string key = Json::parse(config).begin().key();
    EXPECT_THAT(refusal(small(), config), HasSubstr("`" + key + "`"));
  }
  EXPECT_EQ(refusal(small(), R"({"split_special_tokens": false, "sp_model_kwargs": {},
                                 "fix_mistral_regex": null})"),
            "nothing was refused");
}

// As transformers 5.23 reads such files, whatever their `tokenizer_class`.
TEST(TokenizerKeys, ThePostProcessorAloneSaysWhatStandsAroundATextOfTokenizerJson) {
  Json tokenizer = small();
  tokenizer["post_processor"] = Json::parse(
      R"({"type": "TemplateProcessing", "pair": [], "single": [{"SpecialToken": {"id": "<s>"}},
          {"Sequence": {"id": "A"}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [2]}}})");
  const auto ids = [&](const std::string& flags) {
    return make_tokenizer_json(
               tokenizer.dump(),
               parse_tokenizer_config(R"({"bos_token": "<s>", "eos_token": "</s>")" + flags + "}"))
        ->encode("ab", Special::kDefault);
  };
  EXPECT_THAT(ids(""), ElementsAre(2, 0, 1));
  EXPECT_THAT(ids(R"(, "add_bos_token": true, "add_eos_token": true)"), ElementsAre(2, 0, 1));
  EXPECT_THAT(ids(R"(, "add_bos_token": false)"), ElementsAre(2, 0, 1));
  tokenizer["post_processor"] = nullptr;
  EXPECT_THAT(ids(R"(, "add_bos_token": true)"), ElementsAre(0, 1));
}

TEST(TokenizerKeys, KeysWithoutAFateAreFound) {
  const testing::TempFolder folder;
  Json tokenizer = small();
  tokenizer["novelty"] = 1;
  tokenizer["added_tokens"][0]["mood"] = "good";
  tokenizer["model"]["new_key"] = 1;
  tokenizer["decoder"] = Json::parse(
      R"({"type": "Sequence", "decoders": [{"type": "Fuse", "how": 1}, {"type": "Strip", "start": 1}]})");
  write_file(folder.path() / "tokenizer.json", tokenizer.dump());
  write_file(folder.path() / "tokenizer_config.json", R"({"legacy": true, "strange": 1})");
  EXPECT_THAT(unknown_tokenizer_keys(folder.path()),
              ElementsAre("tokenizer_config.json: strange", "tokenizer.json: added_tokens.mood",
                          "tokenizer.json: decoder.Fuse.how", "tokenizer.json: model.BPE.new_key",
                          "tokenizer.json: novelty"));
  for (const char* known :
       {"llama2-style", "llama3-style", "unigram-t5-style", "metaspace-split"}) {
    EXPECT_THAT(unknown_tokenizer_keys(std::filesystem::path(MOP_SOURCE_DIR) /
                                       "tests/golden/tokenizers" / known),
                ElementsAre());
  }
}

TEST(TokenizerKeys, NamedExtraSpecialTokensAreAdded) {
  const auto tokenizer = make_tokenizer_json(
      small().dump(),
      parse_tokenizer_config(R"({"extra_special_tokens": {"image_token": "<image>"}})"));
  EXPECT_EQ(tokenizer->encode("a<image>b", Special::kNone), (Ids{0, 4, 1}));
}

}  // namespace
}  // namespace mop
