// eval/perplexity.h -- perplexity by named protocols: the same text, protocol and tokenizer give the
// same number as the reference tools.
#pragma once
#include <cstdint>
#include <functional>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "model/forward.h"
#include "text/tokenizer.h"

namespace mop {

struct PerplexityResult {
  std::string protocol;     ///< as asked for: "lines", "windows:2048"
  double perplexity = 0;    ///< exp(nll)
  double nll = 0;           ///< nats per scored token (windows: mean of window means)
  int64_t scored_tokens = 0;
  int64_t documents = 0;    ///< lines or windows
  std::string bos;          ///< the BOS rule in words
  std::string dtype;
  std::string text_sha256;
  std::string tokenizer_sha256;
  double seconds = 0;
};
Json to_json(const PerplexityResult& result);

struct Protocol {
  std::string name;      ///< "lines", "windows"
  std::string summary;
  /// `argument` follows the colon ("2048"). Throws Error(kUsage) for a bad one, Error(kBadInput) for a text it cannot score.
  std::function<PerplexityResult(WeightLoader&, const Tokenizer&, const std::filesystem::path& text,
                                 const std::string& argument, Progress&)> run;
};
std::span<const Protocol> all_protocols();
PerplexityResult evaluate_text(WeightLoader& weights, const Tokenizer& tokenizer, const std::filesystem::path& text,
                               std::string_view protocol, Progress& progress = silent_progress());

/// Negative log-likelihood in nats of each next token: hidden_ND after the last layer, targets_N (-1 = not
/// scored) -> [N] float32 (0 where not scored). Logits are made in cache-sized pieces, never N x V at once.
at::Tensor token_nll(const GlobalWeights& globals, const ModelConfig& config, const at::Tensor& hidden_ND,
                     const at::Tensor& targets_N);

}  // namespace mop
