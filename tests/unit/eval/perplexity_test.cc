// Protocols on a random model, with a tokenizer that anybody can compute: one id a byte.
#include "eval/perplexity.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"

namespace mop {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kBos = 1;

/// Ids are bytes modulo 90, plus 3. Its own rule puts BOS in front.
class ByteTokenizer : public Tokenizer {
 public:
  std::vector<int64_t> encode(std::string_view text, Special special) const override {
    seen = text;
    std::vector<int64_t> ids;
    if (special != Special::kNone) ids.push_back(kBos);
    for (const unsigned char c : text) ids.push_back(3 + c % 90);
    return ids;
  }
  std::string decode(const std::vector<int64_t>&, bool) const override { return {}; }
  int64_t vocab() const override { return 96; }
  std::optional<int64_t> bos() const override { return kBos; }
  std::optional<int64_t> eos() const override { return 2; }
  std::string kind() const override { return "bytes"; }
  std::string fingerprint() const override { return "f00d"; }
  mutable std::string seen;
};

/// The same without BOS: what GPT-2's family has.
class PlainByteTokenizer : public ByteTokenizer {
 public:
  std::vector<int64_t> encode(std::string_view text, Special) const override {
    return ByteTokenizer::encode(text, Special::kNone);
  }
  std::optional<int64_t> bos() const override { return std::nullopt; }
};

class PerplexityTest : public ::testing::Test {
 protected:
  std::filesystem::path text(const std::string& name, const std::string& bytes) const {
    write_file(folder_.path() / name, bytes);
    return folder_.path() / name;
  }
  PerplexityResult evaluate(const std::filesystem::path& file, const std::string& protocol) {
    return evaluate_text(weights_, tokenizer_, file, protocol);
  }
  std::string refusal(const std::filesystem::path& file, const std::string& protocol) {
    try {
      evaluate(file, protocol);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  /// Sum of the nll of one sequence alone, from position `first` on, through LibTorch's
  /// log_softmax.
  double plain_nll(const std::vector<int64_t>& ids, int64_t first = 1) {
    const auto length = static_cast<int64_t>(ids.size());
    const at::Tensor ids_N = at::tensor(ids, at::kLong);
    const at::Tensor hidden_ND = run_layers(weights_, ids_N, Packing{{length}, {}});
    const at::Tensor log_p_NV =
        logits(weights_.globals(), model_.config(), hidden_ND).log_softmax(1);
    double sum = 0;
    for (int64_t t = first - 1; t + 1 < length; ++t) sum -= log_p_NV[t][ids[t + 1]].item<double>();
    return sum;
  }

  testing::TempFolder folder_;
  const Model model_ = (testing::write_random_model(folder_.path()), Model::open(folder_.path()));
  WeightLoader weights_{model_, Compute{}};
  ByteTokenizer tokenizer_;
};

TEST_F(PerplexityTest, LinesScoresEveryLineAloneBehindBos) {
  const auto result = evaluate(text("a.txt", "hello\n\nsome longer line\nab\n"), "lines");
  double sum = 0;
  for (const char* line : {"hello", "some longer line", "ab"}) {
    sum += plain_nll(tokenizer_.encode(line, Special::kBos));
  }
  EXPECT_EQ(result.documents, 3);
  EXPECT_EQ(result.scored_tokens, 5 + 16 + 2);
  EXPECT_NEAR(result.nll, sum / 23, 1e-5);
  EXPECT_NEAR(result.perplexity, std::exp(result.nll), 1e-9);
}

TEST_F(PerplexityTest, LinesAreCutAtTheContext) {
  const auto result = evaluate(text("a.txt", std::string(500, 'x') + "\n"), "lines");
  EXPECT_EQ(result.scored_tokens, 63);
  EXPECT_EQ(result.cut_documents, 1);
  EXPECT_EQ(result.cut_tokens, 501 - 64);
  EXPECT_EQ(to_json(result)["cut_tokens"], 501 - 64);
  EXPECT_FALSE(to_json(evaluate(text("b.txt", "short\n"), "lines")).contains("cut_tokens"));
}

TEST_F(PerplexityTest, OnlyWindowsUseTheExtensionOfTheContext) {
  TextContext context = 8;
  context.longest = 16;
  const auto file = text("a.txt", std::string(64, 'x') + "\n");
  EXPECT_EQ(read_scored_text(file, tokenizer_, "windows:16", context).sequences[0].ids.size(), 16u);
  EXPECT_THROW(read_scored_text(file, tokenizer_, "windows:17", context), Error);
  EXPECT_EQ(read_scored_text(file, tokenizer_, "lines", context).sequences[0].ids.size(), 8u);
}

TEST_F(PerplexityTest, LinesWithoutBosLeaveTheFirstTokenUnscored) {
  const PlainByteTokenizer plain;
  const auto file = text("a.txt", "hello\nx\nab\n");
  const auto result = evaluate_text(weights_, plain, file, "lines");
  const double sum = plain_nll(plain.encode("hello", Special::kNone)) +
                     plain_nll(plain.encode("ab", Special::kNone));
  EXPECT_EQ(result.documents, 2) << "a line of one token predicts nothing";
  EXPECT_EQ(result.scored_tokens, 4 + 1);
  EXPECT_NEAR(result.nll, sum / 5, 1e-5);
  EXPECT_EQ(result.bos, "the tokenizer has no BOS: the first token of a line is not scored");
}

TEST_F(PerplexityTest, WordCountsTheWordsAndBytesOfThePagesAsWritten) {
  // Detokenised "one, two" and "three"; as written 3 and 1 words, 9 and 5 bytes.
  const auto file = text("a.jsonl", "{\"page\": \"one , two\"}\n\n{\"page\": \"three\"}\n");
  const auto result = evaluate(file, "word:never");
  const auto behind_bos = [&](std::string_view words) {
    auto ids = tokenizer_.encode(words, Special::kNone);
    ids.insert(ids.begin(), kBos);
    return plain_nll(ids);
  };
  const double sum = behind_bos("one, two") + behind_bos("three");
  ASSERT_TRUE(result.words.has_value());
  EXPECT_EQ(result.documents, 2);
  EXPECT_EQ(result.scored_tokens, 8 + 5);
  EXPECT_EQ(result.words->words, 3 + 1);
  EXPECT_EQ(result.words->bytes, 9 + 5);
  EXPECT_NEAR(result.nll, sum / 4, 1e-5);
  EXPECT_NEAR(result.words->bits_per_byte, sum / 14 / std::log(2.), 1e-5);
  EXPECT_NEAR(std::log(result.words->byte_perplexity), sum / 14, 1e-5);
  const Json json = to_json(result);
  EXPECT_EQ(json["word_perplexity"], json["perplexity"]);
  EXPECT_THAT(json["bos"].get<std::string>(), HasSubstr("never (lm-evaluation-harness 0.4.7"));
}

TEST_F(PerplexityTest, WordPredictsEveryTokenOfALongPageOnce) {
  const auto file = text("a.jsonl", "{\"page\": \"" + std::string(150, 'x') + "\"}\n");
  EXPECT_EQ(evaluate(file, "word:never").scored_tokens, 150);
}

TEST_F(PerplexityTest, WordRefusesWhatHasNoPages) {
  EXPECT_THAT(refusal(text("a.txt", "a few words\n"), "word"),
              AllOf(HasSubstr("a '.txt' file does not hold apart"), HasSubstr("`page`")));
  EXPECT_THAT(refusal(text("a.jsonl", "{\"text\": \"x\"}\n"), "word"), HasSubstr("'page'"));
  EXPECT_THAT(refusal(text("b.jsonl", "{\"page\": \"\"}\n"), "word:never"),
              HasSubstr("no page holds a token"));
  EXPECT_THAT(refusal(text("c.jsonl", "{\"page\": \"x\"}\n"), "word:no"),
              HasSubstr("known: auto, always, never"));
}

TEST_F(PerplexityTest, AModelIsNoDistanceFromItself) {
  WeightLoader again(model_, Compute{});
  const auto scored =
      read_scored_text(text("a.txt", "hello there\nsome longer line\n"), tokenizer_, "lines", 64);
  const SideBySide both = compare_on_text(weights_, again, scored);
  EXPECT_NEAR(both.kl, 0., 1e-6);
  EXPECT_EQ(both.agreement, 1.);
  EXPECT_EQ(both.model.nll, both.dense.nll);
  EXPECT_NEAR(both.model.nll, evaluate_text(weights_, scored).nll, 1e-6);
}

TEST_F(PerplexityTest, KlIsTheMeanOverScoredTokens) {
  std::vector<Layer> fewer(model_.layers().begin() + 1, model_.layers().end());
  const Model other = model_.with_layers(fewer);
  WeightLoader other_weights(other, Compute{});
  const auto scored = read_scored_text(text("a.txt", "abcdef\ngh\n"), tokenizer_, "lines", 64);
  double kl = 0;
  int64_t agreed = 0;
  for (const TokenRequest& line : scored.sequences) {
    const auto rows = static_cast<int64_t>(line.ids.size()) - 1;
    const auto log_p = [&](WeightLoader& weights) {
      const at::Tensor ids_N = at::tensor(line.ids, at::kLong);
      const at::Tensor hidden_ND = run_layers(weights, ids_N, Packing{{rows + 1}, {}});
      return logits(weights.globals(), weights.model().config(), hidden_ND)
          .narrow(0, 0, rows)
          .to(at::kDouble)
          .log_softmax(1);
    };
    const at::Tensor p_RV = log_p(weights_), q_RV = log_p(other_weights);
    kl += (p_RV.exp() * (p_RV - q_RV)).sum().item<double>();
    agreed += p_RV.argmax(1).eq(q_RV.argmax(1)).sum().item<int64_t>();
  }
  const SideBySide both = compare_on_text(other_weights, weights_, scored);
  EXPECT_EQ(both.model.scored_tokens, 8);
  EXPECT_NEAR(both.kl, kl / 8, 1e-5);
  EXPECT_NEAR(both.agreement, static_cast<double>(agreed) / 8, 1e-9);
}

TEST_F(PerplexityTest, RefusesToCompareVocabularies) {
  testing::TempFolder other_folder;
  testing::write_random_model(other_folder.path(), {.vocab = 97});
  WeightLoader other(Model::open(other_folder.path()), Compute{});
  const auto scored = read_scored_text(text("a.txt", "hello\n"), tokenizer_, "lines", 64);
  try {
    compare_on_text(weights_, other, scored);
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("vocabularies of 96 and 97 tokens"));
  }
}

TEST_F(PerplexityTest, WindowsAreDisjointAndTheTailIsDropped) {
  const std::string bytes = "The quick brown fox\n jumps over\r\nthe lazy dog.  ";
  const auto result = evaluate(text("a.txt", bytes), "windows:10");
  EXPECT_EQ(tokenizer_.seen, bytes);
  const auto ids = tokenizer_.encode(bytes, Special::kDefault);
  double sum = 0;
  for (int w = 0; w < 4; ++w) sum += plain_nll({ids.begin() + 10 * w, ids.begin() + 10 * (w + 1)});
  EXPECT_EQ(result.documents, 4);
  EXPECT_EQ(result.scored_tokens, 36);
  EXPECT_NEAR(result.nll, sum / 36, 1e-5);
}

TEST_F(PerplexityTest, LlamaCppScoresTheSecondHalfOfWindowsThatBeginWithBos) {
  const std::string bytes = "the quick brown fox jumps over it";
  const auto result = evaluate(text("a.txt", bytes), "llama.cpp:8");
  const std::vector<int64_t> all = tokenizer_.encode(bytes, Special::kDefault);
  double sum = 0;
  for (size_t w = 0; w < all.size() / 8; ++w) {
    std::vector<int64_t> ids(all.begin() + 8 * w, all.begin() + 8 * (w + 1));
    ids[0] = kBos;
    sum += plain_nll(ids, 5);
  }
  EXPECT_EQ(result.scored_tokens, static_cast<int64_t>(all.size() / 8) * 3);
  EXPECT_NEAR(result.nll, sum / static_cast<double>(result.scored_tokens), 1e-5);
}

TEST_F(PerplexityTest, WindowsJoinJsonRowsByABlankLine) {
  const auto file =
      text("a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"\"}\n\n{\"text\": \"three\\n\"}\n");
  evaluate(file, "windows:4");
  EXPECT_EQ(tokenizer_.seen, "one\n\n\n\nthree\n");
  evaluate(text("a.json", "[{\"text\": \"one\"}, {\"text\": \"two\"}]"), "windows:4");
  EXPECT_EQ(tokenizer_.seen, "one\n\ntwo");
}

// A limited text gives what a text of these documents alone gives.
TEST_F(PerplexityTest, ALimitTakesTheFirstDocuments) {
  const auto score = [&](const std::filesystem::path& file, const char* protocol, int64_t limit) {
    return read_scored_text(file, tokenizer_, protocol, 64, limit);
  };
  const auto ids_of = [](const ScoredText& scored) {
    std::vector<std::vector<int64_t>> ids;
    for (const TokenRequest& sequence : scored.sequences) ids.push_back(sequence.ids);
    return ids;
  };
  const auto lines = text("a.txt", "one\ntwo\nthree\nfour\n");
  const ScoredText two = score(lines, "lines", 2);
  EXPECT_EQ(ids_of(two), ids_of(score(text("b.txt", "one\ntwo\n"), "lines", 0)));
  EXPECT_EQ(two.texts, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(two.left_out, 2);

  const ScoredText windows = score(lines, "windows:5", 2), all = score(lines, "windows:5", 0);
  ASSERT_GT(all.sequences.size(), 2u);
  EXPECT_EQ(windows.sequences.size(), 2u);
  EXPECT_EQ(windows.sequences[1].ids, all.sequences[1].ids);
  EXPECT_EQ(windows.left_out, std::ssize(all.sequences) - 2);

  const auto pages = text("a.jsonl", "{\"page\": \"one , two\"}\n\n{\"page\": \"three\"}\n");
  const ScoredText page = score(pages, "word", 1);
  EXPECT_EQ(ids_of(page), ids_of(score(text("b.jsonl", "{\"page\": \"one , two\"}"), "word", 0)));
  EXPECT_EQ(page.words, 3);
  EXPECT_EQ(page.left_out, 1);
}

TEST_F(PerplexityTest, TheResultSaysThatItWasLimited) {
  const auto file = text("a.txt", "one\ntwo\nthree\n");
  const auto json = [&](int64_t limit) {
    return to_json(evaluate_text(weights_, read_scored_text(file, tokenizer_, "lines", 64, limit)));
  };
  EXPECT_EQ(json(2)["limit"], 2);
  EXPECT_EQ(json(2)["left_out"], 1);
  EXPECT_EQ(json(2)["documents"], 2);
  EXPECT_EQ(json(9)["left_out"], 0);
  EXPECT_FALSE(json(0).contains("limit"));
}

TEST_F(PerplexityTest, DoesNotDependOnTheSizeOfTheGroups) {
  // More tokens than one group of 64 Ki holds, against the same lines scored in two calls.
  std::vector<std::vector<int64_t>> sequences;
  for (int64_t i = 0; i < 1500; ++i) sequences.push_back({1, 3 + i % 90, 4, 3 + (i * 7) % 90, 9});
  for (auto& sequence : sequences) sequence.resize(50, 11);
  const auto whole = score_sequences(weights_, sequences);
  const std::span all(sequences);
  const auto first = score_sequences(weights_, all.first(700));
  const auto rest = score_sequences(weights_, all.subspan(700));
  EXPECT_EQ(whole.scored_tokens, 1500 * 49);
  EXPECT_NEAR(whole.nll_sum / (first.nll_sum + rest.nll_sum), 1., 1e-7);
}

TEST_F(PerplexityTest, StandsBesideWhatItWasMeasuredWith) {
  const Json json = to_json(evaluate(text("a.txt", "abc\n"), "lines"));
  EXPECT_EQ(json["protocol"], "lines");
  EXPECT_EQ(json["dtype"], "float32");
  EXPECT_EQ(json["text_sha256"], sha256("abc\n"));
  EXPECT_EQ(json["tokenizer_sha256"], "f00d");
  EXPECT_EQ(json["bos"], "BOS before every line, no EOS");
}

TEST_F(PerplexityTest, RefusesWhatItCannotScore) {
  const auto file = text("a.txt", "a few words\n");
  EXPECT_THAT(refusal(file, "windows:65"),
              HasSubstr("65 tokens is longer than the model's context of 64"));
  EXPECT_THAT(refusal(file, "windows:40"), HasSubstr("the text has 13 tokens, a window needs 40"));
  EXPECT_THAT(refusal(file, "windows"), HasSubstr("at least 2 tokens, got ''"));
  EXPECT_THAT(refusal(file, "windows:1"), HasSubstr("at least 2 tokens, got '1'"));
  EXPECT_THAT(refusal(file, "windows:10x"), HasSubstr("got '10x'"));
  EXPECT_THAT(refusal(file, "lines:3"), HasSubstr("takes no argument"));
  EXPECT_THAT(refusal(file, "wrods"), HasSubstr("known: lines, windows"));
  EXPECT_THAT(refusal(text("bad.jsonl", "{\"text\": 1}\n"), "windows:4"), HasSubstr("bad.jsonl:1"));
  EXPECT_THAT(refusal(folder_.path() / "absent.txt", "lines"), HasSubstr("absent.txt"));
}

}  // namespace
}  // namespace mop
