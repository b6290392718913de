// model/generate.h -- continuing a prompt token by token.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/weights.h"

namespace mop {

struct GenerateOptions {
  int64_t max_new_tokens = 128;  ///< at least 0
  double temperature = 0.0;      ///< 0 = the most likely token each time
  uint64_t seed = 0;             ///< draws with temperature > 0
  std::vector<int64_t> stop;     ///< ends after one of these; empty = the config's EOS tokens
  bool ignore_eos = false;       ///< goes on to max_new_tokens (latency measurements)
  /// Called with each new token; generation ends when it returns false.
  std::function<bool(int64_t id)> on_token;
};

/// The new tokens, the one that ended it included. Runs through the KV cache; the loader should
/// keep all layers (WeightLoader::Keep::kAll). Throws Error(kBadInput): empty prompt, an id outside
/// the vocabulary, prompt and new tokens longer than the model's context.
std::vector<int64_t> generate(WeightLoader& weights, std::span<const int64_t> prompt,
                              const GenerateOptions& options = {});

/// The token of logits_V: the largest (lowest id among equals) at temperature 0, otherwise drawn
/// from softmax(logits / temperature) with `uniform` in [0, 1).
int64_t pick_token(const at::Tensor& logits_V, double temperature, double uniform);

}  // namespace mop
