// eval/perplexity.h -- perplexity by named protocols: the same text, protocol and tokenizer give
// the same number as the reference tools.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/progress.h"
#include "eval/token_scores.h"
#include "model/forward.h"
#include "text/tokenizer.h"

namespace mop {

struct PerplexityResult {
  std::string protocol;   ///< as asked for: "lines", "windows:2048"
  double perplexity = 0;  ///< exp(nll)
  double nll = 0;         ///< nats per scored token (windows: mean of window means)
  int64_t scored_tokens = 0;
  int64_t documents = 0;    ///< lines or windows
  std::string bos;          ///< the BOS rule in words
  std::string dtype;        ///< compute type
  std::string text_sha256;  ///< of the file's bytes
  std::string tokenizer_sha256;
  double seconds = 0;  ///< of the forward passes, tokenising left out
};
Json to_json(const PerplexityResult& result);

struct Protocol {
  std::string name;     ///< "lines", "windows"
  std::string summary;  ///< one line for `mop list protocols`
  /// `argument` follows the colon ("2048"). Throws Error(kUsage) for a bad one, Error(kBadInput)
  /// for a text it cannot score.
  std::function<PerplexityResult(WeightLoader&, const Tokenizer&, const std::filesystem::path& text,
                                 const std::string& argument, Progress&)>
      run;
};
std::span<const Protocol> all_protocols();
/// `protocol` is "name" or "name:argument". Throws Error(kUsage) listing the known names.
PerplexityResult evaluate_text(WeightLoader& weights, const Tokenizer& tokenizer,
                               const std::filesystem::path& text, std::string_view protocol,
                               Progress& progress = silent_progress());

/// Sums over token sequences.
struct ScoredSequences {
  double nll_sum = 0;        ///< nats over all scored tokens
  double mean_of_means = 0;  ///< mean over sequences of their mean nll
  int64_t scored_tokens = 0;
};
/// Scores the tokens of every sequence from position `first` (at least 1) on; each must be longer
/// than that. Runs in groups of whole sequences that keep the hidden states small; layers are
/// streamed once a group.
ScoredSequences score_sequences(WeightLoader& weights,
                                std::span<const std::vector<int64_t>> sequences,
                                Progress& progress = silent_progress(), int64_t first = 1);

}  // namespace mop
