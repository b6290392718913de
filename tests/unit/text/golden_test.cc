// Ids and texts of every kind of tokenizer against the reference implementations
// (tests/golden/tokenizers, remade by tools/golden/tokenizer_ids.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/files.h"
#include "base/json.h"
#include "kit/random_model.h"
#include "text/tokenizer.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;

const fs::path kHome = fs::path(MOP_SOURCE_DIR) / "tests/golden/tokenizers";

const std::vector<std::string>& nasty_texts() {
  static const std::vector<std::string> texts = [] {
    std::vector<std::string> read;
    std::ifstream file(kHome / "nasty.jsonl");
    for (std::string line; std::getline(file, line);)
      read.push_back(Json::parse(line)["text"].get<std::string>());
    return read;
  }();
  return texts;
}

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kHome)) {
    const std::string name = entry.path().filename().string();
    const std::string ending = ".golden.json";
    if (name.ends_with(ending)) names.push_back(name.substr(0, name.size() - ending.size()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string hash_of(const std::vector<Ids>& lists) {
  Sha256 hash;
  for (const Ids& ids : lists) {
    const auto size = static_cast<int64_t>(ids.size());
    hash.add({reinterpret_cast<const char*>(&size), sizeof size});
    hash.add({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int64_t)});
  }
  return hash.hex();
}

// The texts of a data file as the golden tool cut it: one document, or its lines that are not
// blank.
std::vector<std::string> cut(const std::string& text, const std::string& mode) {
  if (mode == "document") return {text};
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    if (lines.back().find_first_not_of(" \t\r") == std::string::npos) lines.pop_back();
    at = end + 1;
  }
  return lines;
}

class TokenizerGolden : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    golden_ = read_json(kHome / (GetParam() + ".golden.json"));
    std::string where = golden_["tokenizer"];
    const bool data = where.starts_with("data:");
    if (data && testing::test_data().empty()) GTEST_SKIP() << testing::no_test_data();
    fs::path file =
        data ? testing::test_data() / where.substr(5) : fs::path(MOP_SOURCE_DIR) / where;
    if (!golden_["config"].is_null()) {
      fs::copy_file(file, folder_.path() / "tokenizer.model");
      write_file(folder_.path() / "tokenizer_config.json", to_text(golden_["config"]));
      file = folder_.path();
    }
    tokenizer_ = open_tokenizer(file);
  }

  testing::TempFolder folder_;
  Json golden_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_P(TokenizerGolden, IdsOfNastyTextsEqualTheReference) {
  const auto& texts = nasty_texts();
  ASSERT_EQ(golden_["ids"].size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(tokenizer_->encode(texts[i], Special::kDefault), golden_["ids"][i].get<Ids>())
        << Json(texts[i]);
    EXPECT_EQ(tokenizer_->encode(texts[i], Special::kNone), golden_["plain_ids"][i].get<Ids>())
        << Json(texts[i]);
  }
}

TEST_P(TokenizerGolden, DecodedTextsEqualTheReference) {
  for (size_t i = 0; i < golden_["ids"].size(); ++i) {
    const Ids ids = golden_["ids"][i].get<Ids>();
    EXPECT_EQ(Json(tokenizer_->decode(ids, true)), golden_["decoded"][i]) << golden_["ids"][i];
    EXPECT_EQ(Json(tokenizer_->decode(ids, false)), golden_["decoded_special"][i])
        << golden_["ids"][i];
  }
}

TEST_P(TokenizerGolden, IdsOfWholeFilesEqualTheReference) {
  if (testing::test_data().empty()) GTEST_SKIP() << testing::no_test_data();
  for (const Json& entry : golden_["data"]) {
    const std::string text = read_file(testing::test_data() / entry["file"].get<std::string>());
    std::vector<Ids> ids;
    size_t tokens = 0;
    for (const std::string& sample : cut(text, entry["mode"])) {
      ids.push_back(tokenizer_->encode(sample, Special::kDefault));
      tokens += ids.back().size();
    }
    EXPECT_EQ(tokens, entry["tokens"].get<size_t>()) << entry;
    EXPECT_EQ(hash_of(ids), entry["sha256"]) << entry;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerGolden, ::testing::ValuesIn(golden_names()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace mop
