// Alpaca records as ids and labels against transformers (tests/golden/training, remade by
// tools/golden/training_ids.py).
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/json.h"
#include "kit/random_model.h"
#include "text/training_data.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;

const fs::path kHome = fs::path(MOP_SOURCE_DIR) / "tests/golden/training";

TrainingDataOptions options_of(const Json& golden) {
  TrainingDataOptions options;
  options.form = golden["form"].get<std::string>();
  options.max_tokens = golden["max_tokens"].get<int64_t>();
  return options;
}

void add(Sha256& hash, const Ids& ids) {
  const auto size = static_cast<int64_t>(ids.size());
  hash.add({reinterpret_cast<const char*>(&size), sizeof size});
  hash.add({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int64_t)});
}

TEST(TrainingGolden, OwnAlpacaRecordsHaveTheReferencesIdsAndLabels) {
  const auto tokenizer = open_tokenizer(testing::demo_model());
  const Json goldens = read_json(kHome / "expected.json")["own"];
  ASSERT_FALSE(goldens.empty());
  for (const Json& golden : goldens) {
    const TrainingData data =
        TrainingData::open(kHome / "alpaca.jsonl", tokenizer, options_of(golden));
    ASSERT_EQ(data.size(), static_cast<int64_t>(golden["samples"].size()));
    for (int64_t i = 0; i < data.size(); ++i) {
      const Json& expected = golden["samples"][static_cast<size_t>(i)];
      const TrainingSample sample = data.sample(i);
      EXPECT_EQ(sample.ids, expected["ids"].get<Ids>()) << golden["form"] << " " << i;
      EXPECT_EQ(sample.labels, expected["labels"].get<Ids>()) << golden["form"] << " " << i;
    }
  }
}

TEST(TrainingGolden, AllOfAlpaca999HasTheReferencesIdsAndLabels) {
  if (testing::test_data().empty()) GTEST_SKIP() << testing::no_test_data();
  const Json goldens = read_json(kHome / "expected.json")["data"];
  ASSERT_EQ(goldens.size(), 4u);
  for (const Json& golden : goldens) {
    const auto tokenizer = open_tokenizer(golden["tokenizer"] == "demo"
                                              ? testing::demo_model()
                                              : testing::test_data() / "tokenizers/llama2.model");
    const TrainingData data = TrainingData::open(testing::test_data() / "text/alpaca-999.json",
                                                 tokenizer, options_of(golden));
    Sha256 hash;
    int64_t tokens = 0;
    for (int64_t i = 0; i < data.size(); ++i) {
      const TrainingSample sample = data.sample(i);
      tokens += static_cast<int64_t>(sample.ids.size());
      add(hash, sample.ids);
      add(hash, sample.labels);
    }
    EXPECT_EQ(tokens, golden["tokens"].get<int64_t>()) << golden["form"];
    EXPECT_EQ(hash.hex(), golden["sha256"].get<std::string>()) << golden["form"];
  }
}

std::string without_marks(std::string source) {
  for (const std::string tag : {"{% generation %}", "{% endgeneration %}"}) {
    for (size_t at; (at = source.find(tag)) != source.npos;) source.erase(at, tag.size());
  }
  return source;
}

// tests/golden/chat/turns.json, remade by tools/golden/chat_turns.py. What the template's marks say
// is found without them, too.
TEST(TrainingGolden, TheAssistantsTokensAreTransformersMask) {
  const testing::TempFolder folder;
  for (const Json& golden : read_json(fs::path(MOP_SOURCE_DIR) / "tests/golden/chat/turns.json")) {
    const auto tokenizer =
        open_tokenizer(fs::path(MOP_SOURCE_DIR) / "tests/golden/tokenizers" /
                       golden["tokenizer"].get<std::string>() / "tokenizer.json");
    write_file(folder.path() / "a.jsonl", Json{{"messages", golden["messages"]}}.dump());
    const auto source = golden["template"].get<std::string>();
    for (const std::string& one : {source, without_marks(source)}) {
      TrainingDataOptions options;
      options.chat = std::make_shared<ChatTemplate>(
          std::map<std::string, std::string>{{"default", one}}, Json::object());
      const TrainingSample sample =
          TrainingData::open(folder.path() / "a.jsonl", tokenizer, options).sample(0);
      Json learned = Json::array();
      for (const int64_t label : sample.labels) learned.push_back(label == kNoLoss ? 0 : 1);
      EXPECT_EQ(Json(sample.ids), golden["ids"]);
      EXPECT_EQ(learned, golden["learned"])
          << golden["tokenizer"] << " " << golden["messages"] << one;
    }
  }
}

}  // namespace
}  // namespace mop
