// eval/perplexity.cc -- computes the figures of a protocol from log-likelihoods of sequences.
#include "eval/perplexity.h"

#include <cmath>

#include "base/stopwatch.h"
#include "eval/rank_scores.h"
#include "tensor/dtype.h"

namespace mop {
namespace {

// Sequences share no prefix, so each is a question of its own.
std::vector<Question> questions_of(std::span<const TokenRequest> sequences) {
  std::vector<Question> questions;
  for (const TokenRequest& sequence : sequences) questions.push_back({sequence});
  return questions;
}

ScoredSequences sums_of(const std::vector<Question>& questions, const Answers& answers) {
  ScoredSequences sums;
  for (size_t i = 0; i < questions.size(); ++i) {
    const int64_t scored = questions[i].front().scored;
    const double nll = -answers[i].front().sum;
    sums.nll_sum += nll;
    sums.mean_of_means += nll / static_cast<double>(scored);
    sums.scored_tokens += scored;
  }
  sums.mean_of_means /= static_cast<double>(questions.size());
  return sums;
}

double nll_of(const ScoredText& text, const ScoredSequences& sums) {
  if (text.mean == NllMean::kDocuments) return sums.mean_of_means;
  const bool by_words = text.mean == NllMean::kWords;
  return sums.nll_sum / static_cast<double>(by_words ? text.words : sums.scored_tokens);
}

PerplexityResult result_of(const ScoredText& text, const WeightLoader& weights,
                           const ScoredSequences& sums) {
  PerplexityResult result;
  result.protocol = text.protocol;
  result.nll = nll_of(text, sums);
  result.perplexity = std::exp(result.nll);
  result.scored_tokens = sums.scored_tokens;
  result.documents = text.documents;
  result.bos = text.bos;
  result.dtype = dtype_name(weights.compute().dtype);
  result.limit = text.limit;
  result.left_out = text.left_out;
  result.cut_documents = text.cut_documents;
  result.cut_tokens = text.cut_tokens;
  result.text_sha256 = text.text_sha256;
  result.tokenizer_sha256 = text.tokenizer_sha256;
  if (text.mean == NllMean::kWords) {
    const double nll_of_byte = sums.nll_sum / static_cast<double>(text.bytes);
    result.words = {text.words, text.bytes, std::exp(nll_of_byte), nll_of_byte / std::log(2.)};
  }
  return result;
}

}  // namespace

PerplexityResult evaluate_text(WeightLoader& weights, const ScoredText& text, Progress& progress,
                               Collectives& ranks) {
  const std::vector<Question> questions = questions_of(text.sequences);
  const Stopwatch watch;
  const Answers answers = score_requests(weights, questions, ranks, progress);
  PerplexityResult result = result_of(text, weights, sums_of(questions, answers));
  result.seconds = watch.seconds();
  return result;
}

PerplexityResult evaluate_text(WeightLoader& weights, const Tokenizer& tokenizer,
                               const std::filesystem::path& text, std::string_view protocol,
                               Progress& progress) {
  const TextContext context(weights.model().config());
  return evaluate_text(weights, read_scored_text(text, tokenizer, protocol, context), progress);
}

SideBySide compare_on_text(WeightLoader& model, WeightLoader& dense, const ScoredText& text,
                           Progress& progress, Collectives& ranks) {
  const std::vector<Question> questions = questions_of(text.sequences);
  const Stopwatch watch;
  const Comparison both = compare_requests(model, dense, questions, ranks, progress);
  SideBySide result{result_of(text, model, sums_of(questions, both.model)),
                    result_of(text, dense, sums_of(questions, both.dense)), both.kl,
                    both.agreement};
  result.model.seconds = result.dense.seconds = watch.seconds();
  return result;
}

ScoredSequences score_sequences(WeightLoader& weights,
                                std::span<const std::vector<int64_t>> sequences,
                                Progress& progress) {
  std::vector<Question> questions;
  for (const auto& ids : sequences) {
    questions.push_back({{ids, static_cast<int64_t>(ids.size()) - 1}});
  }
  return sums_of(questions, score_requests(weights, questions, progress));
}

Json to_json(const PerplexityResult& result) {
  Json json = {{"protocol", result.protocol},
               {"perplexity", result.perplexity},
               {"nll", result.nll},
               {"scored_tokens", result.scored_tokens},
               {"documents", result.documents},
               {"bos", result.bos},
               {"dtype", result.dtype},
               {"text_sha256", result.text_sha256},
               {"tokenizer_sha256", result.tokenizer_sha256},
               {"seconds", result.seconds}};
  if (result.limit > 0) {
    json["limit"] = result.limit;
    json["left_out"] = result.left_out;
  }
  if (result.cut_documents > 0) {
    json["cut_documents"] = result.cut_documents;
    json["cut_tokens"] = result.cut_tokens;
  }
  if (result.words) {
    json["word_perplexity"] = result.perplexity;
    json["byte_perplexity"] = result.words->byte_perplexity;
    json["bits_per_byte"] = result.words->bits_per_byte;
    json["words"] = result.words->words;
    json["text_bytes"] = result.words->bytes;
  }
  return json;
}

}  // namespace mop
