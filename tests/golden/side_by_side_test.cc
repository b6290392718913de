// A model beside the one it was made from, against transformers; remade by
// tools/golden/side_by_side.py. The protocol word against lm_eval's wikitext task.
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/json.h"
#include "eval/perplexity.h"
#include "kit/random_model.h"

namespace mop {
namespace {

namespace fs = std::filesystem;

fs::path golden_folder() { return fs::path(MOP_SOURCE_DIR) / "tests/golden"; }

// The first `lines` lines of the text, or what ends with a line below `bytes` bytes; else all.
std::string cut(const std::string& text, const Json& golden) {
  const auto bytes = golden.value("bytes", size_t{0});
  if (bytes > 0) return text.substr(0, text.rfind('\n', bytes - 1) + 1);
  size_t end = 0;
  for (auto lines = golden.value("lines", int64_t{0}); lines > 0; --lines)
    end = text.find('\n', end) + 1;
  return end > 0 ? text.substr(0, end) : text;
}

// The embedded model in another folder, said to have another context when `context` is not 0.
Model open_with_context(const fs::path& folder, int64_t context) {
  for (const auto& file : fs::directory_iterator(testing::demo_model())) {
    fs::copy(file.path(), folder / file.path().filename());
  }
  Json config = read_json(folder / "config.json");
  if (context > 0) config["max_position_embeddings"] = context;
  fs::remove(folder / "config.json");
  write_file(folder / "config.json", to_text(config));
  return Model::open(folder);
}

Model without_layers(const Model& dense, const Json& dropped) {
  std::vector<Layer> layers;
  for (const Layer& layer : dense.layers()) {
    if (std::find(dropped.begin(), dropped.end(), layer.source) == dropped.end()) {
      layers.push_back(layer);
    }
  }
  return dense.with_layers(layers);
}

void expect_equal(const Json& golden, const fs::path& source) {
  SCOPED_TRACE(golden.dump());
  testing::TempFolder folder;
  const Model dense = open_with_context(folder.path(), golden.value("context", int64_t{0}));
  const fs::path text = folder.path() / "text.txt";
  write_file(text, cut(read_file(source), golden));
  WeightLoader dense_weights(dense, Compute{});
  WeightLoader weights(without_layers(dense, golden["dropped"]), Compute{});
  const ScoredText scored =
      read_scored_text(text, *open_tokenizer(testing::demo_model()),
                       golden["protocol"].get<std::string>(), dense.config().context);
  const SideBySide both = compare_on_text(weights, dense_weights, scored);
  EXPECT_EQ(both.model.scored_tokens, golden["scored_tokens"]);
  EXPECT_NEAR(both.kl, golden["kl"].get<double>(), 1e-4);
  EXPECT_NEAR(both.agreement, golden["agreement"].get<double>(), 1e-3);
  EXPECT_NEAR(both.model.nll, golden["nll"].get<double>(), 1e-4);
  EXPECT_NEAR(both.dense.nll, golden["dense_nll"].get<double>(), 1e-4);
}

TEST(SideBySideGolden, EqualsTransformers) {
  const Json golden = read_json(golden_folder() / "side_by_side.json");
  for (const Json& one : golden["cases"]) {
    expect_equal(one, fs::path(MOP_SOURCE_DIR) / golden["text"].get<std::string>());
  }
  EXPECT_EQ(golden["cases"].size(), 3u);
}

TEST(WordGolden, EqualsTheWikitextTaskOfLmEvalUnderEveryBosRule) {
  const Json golden = read_json(golden_folder() / "tasks" / "expected.json");
  const fs::path pages = golden_folder() / "tasks" / "data" / "wikitext-test.jsonl";
  WeightLoader weights(Model::open(testing::demo_model()), Compute{});
  const auto tokenizer = open_tokenizer(testing::demo_model());
  int checked = 0;
  for (const Json& one : golden["cases"]) {
    if (one["task"] != "wikitext") continue;
    const auto rule = one["bos"].get<std::string>();
    SCOPED_TRACE(rule);
    const auto result = evaluate_text(weights, *tokenizer, pages, "word:" + rule);
    const auto near = [&](double value, const char* metric) {
      const double want = one["metrics"][metric];
      EXPECT_NEAR(value / want, 1., 1e-4) << metric;
    };
    near(result.perplexity, "word_perplexity,none");
    near(result.words.value().byte_perplexity, "byte_perplexity,none");
    near(result.words.value().bits_per_byte, "bits_per_byte,none");
    EXPECT_EQ(result.documents, static_cast<int64_t>(one["loglikelihoods"].size()));
    ++checked;
  }
  EXPECT_EQ(checked, 3);
}

}  // namespace
}  // namespace mop
