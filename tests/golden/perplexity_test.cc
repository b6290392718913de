// Perplexities of the real models against transformers, remade by tools/golden/perplexity.py.
#include "eval/perplexity.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/json.h"
#include "kit/random_model.h"

namespace mop {
namespace {

namespace fs = std::filesystem;

// "data/..." is beside the project and may be absent, everything else is part of it.
fs::path resolve(const std::string& path) {
  if (!path.starts_with("data/")) return fs::path(MOP_SOURCE_DIR) / path;
  const fs::path data = testing::test_data();
  return data.empty() ? data : data / path.substr(5);
}

// The first `lines` lines of the bytes, or what ends with a line below `size` bytes; 0 = all.
std::string cut(const std::string& bytes, const Json& golden) {
  const auto size = golden.value("bytes", size_t{0});
  if (size > 0) return bytes.substr(0, bytes.rfind('\n', size - 1) + 1);
  size_t end = 0;
  for (auto lines = golden.value("lines", int64_t{0}); lines > 0; --lines)
    end = bytes.find('\n', end) + 1;
  return end > 0 ? bytes.substr(0, end) : bytes;
}

void expect_equal(const Json& golden) {
  SCOPED_TRACE(golden.dump());
  testing::TempFolder folder;
  const fs::path model_path = resolve(golden["model"]);
  const fs::path text = folder.path() / "text.txt";
  write_file(text, cut(read_file(resolve(golden["text"])), golden));
  WeightLoader weights(Model::open(model_path), Compute{});
  const auto tokenizer = open_tokenizer(model_path);
  const auto result =
      evaluate_text(weights, *tokenizer, text, golden["protocol"].get<std::string>());
  EXPECT_EQ(result.text_sha256, golden["text_sha256"]);
  EXPECT_EQ(result.scored_tokens, golden["scored_tokens"]);
  EXPECT_EQ(result.documents, golden["documents"]);
  EXPECT_NEAR(result.perplexity / golden["perplexity"].get<double>(), 1., 1e-4);
}

void check_all(bool inside) {
  const Json golden = read_json(fs::path(MOP_SOURCE_DIR) / "tests/golden/perplexity.json");
  int checked = 0;
  for (const Json& one : golden["cases"]) {
    if (one["model"].get<std::string>().starts_with("assets/") != inside) continue;
    expect_equal(one);
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

TEST(PerplexityGolden, EqualsTransformersOnTheEmbeddedModel) { check_all(true); }

TEST(PerplexityGolden, EqualsTransformersOnTheRealModels) {
  if (testing::test_data().empty()) GTEST_SKIP() << testing::no_test_data();
  check_all(false);
}

}  // namespace
}  // namespace mop
