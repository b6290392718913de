// eval/perplexity.h -- perplexity by named protocols. Equal text, protocol and tokenizer give the
// same number as the reference tool.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
#include "eval/protocols.h"
#include "eval/score_requests.h"

namespace mop {

struct PerplexityResult {
  std::string protocol;   ///< as requested: "lines", "windows:2048"
  double perplexity = 0;  ///< exp(nll)
  double nll = 0;  ///< nats per scored token (windows: mean of the window means; word: per word)
  int64_t scored_tokens = 0;
  int64_t documents = 0;                      ///< lines, windows or pages
  int64_t limit = 0;                          ///< number of documents requested; 0 = all
  int64_t left_out = 0;                       ///< documents beyond the limit
  int64_t cut_documents = 0, cut_tokens = 0;  ///< see ScoredText
  std::string bos;                            ///< description of the BOS rule
  std::string dtype;                          ///< compute type
  std::string text_sha256;                    ///< of the file
  std::string tokenizer_sha256;
  /// Protocol word: size of the original pages, and the figures relative to it.
  struct Words {
    int64_t words = 0, bytes = 0;
    double byte_perplexity = 0, bits_per_byte = 0;
  };
  std::optional<Words> words;
  double seconds = 0;  ///< of the forward passes, without tokenisation
};
/// Uses the names of the members as keys. `limit` and `left_out` appear only with a limit. The keys
/// of `words` are at the top level, with word_perplexity, which equals `perplexity`.
Json to_json(const PerplexityResult& result);

/// With several ranks, each scores its share of the sequences, and all ranks return the same
/// figures.
PerplexityResult evaluate_text(WeightLoader& weights, const ScoredText& text,
                               Progress& progress = silent_progress(),
                               Collectives& ranks = one_rank());
/// The same for a file. Throws as `read_scored_text` does.
PerplexityResult evaluate_text(WeightLoader& weights, const Tokenizer& tokenizer,
                               const std::filesystem::path& text, std::string_view protocol,
                               Progress& progress = silent_progress());

/// Results of two models on the same tokens.
struct SideBySide {
  PerplexityResult model, dense;
  double kl = 0;  ///< mean KL(dense || model), nats per scored token
  /// Fraction of scored tokens for which both models have the same most likely token.
  double agreement = 0;
};
/// Throws Error(kBadInput) when the vocabulary sizes differ.
SideBySide compare_on_text(WeightLoader& model, WeightLoader& dense, const ScoredText& text,
                           Progress& progress = silent_progress(), Collectives& ranks = one_rank());

/// Sums over token sequences.
struct ScoredSequences {
  double nll_sum = 0;        ///< nats over all scored tokens
  double mean_of_means = 0;  ///< mean over sequences of their mean nll
  int64_t scored_tokens = 0;
};
/// Scores all tokens of every sequence except the first; each sequence must have at least two.
ScoredSequences score_sequences(WeightLoader& weights,
                                std::span<const std::vector<int64_t>> sequences,
                                Progress& progress = silent_progress());

}  // namespace mop
