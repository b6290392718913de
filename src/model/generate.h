// model/generate.h -- autoregressive generation.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/forward.h"
#include "model/weights.h"

namespace mop {

struct GenerateOptions {
  int64_t max_new_tokens = 128;  ///< at least 0
  double temperature = 0.0;      ///< 0 = greedy
  uint64_t seed = 0;             ///< for sampling with temperature > 0
  std::vector<int64_t> stop;     ///< stop after any of these ids; empty = the config's EOS tokens
  bool ignore_eos = false;       ///< always generate max_new_tokens (latency measurements)
  /// Called with each new token; generation stops if it returns false.
  std::function<bool(int64_t id)> on_token;
};

/// Feeds tokens to several sequences of equal length through a KV cache. The loader should keep all
/// layers (WeightLoader::Keep::kAll).
class Decoder {
 public:
  /// Reserves `capacity_tokens` per sequence; grows on demand.
  Decoder(WeightLoader& weights, int64_t sequences, int64_t capacity_tokens);
  /// Appends ids_BT (int64, on the CPU or the device) to the sequences and returns logits_BV after
  /// each sequence's last token, in the compute dtype. No gradient. Throws as `run_layers` does.
  at::Tensor feed(const at::Tensor& ids_BT);

 private:
  WeightLoader& weights_;
  KvCache cache_;
  ForwardOptions forward_;
};

/// Returns the new tokens, including the stop token. Throws Error(kBadInput) for an empty prompt,
/// an id outside the vocabulary, or if prompt and new tokens exceed the model's context.
std::vector<int64_t> generate(WeightLoader& weights, std::span<const int64_t> prompt,
                              const GenerateOptions& options = {});

/// Selects a token from logits_V: the largest (lowest id among equals) at temperature 0, otherwise
/// sampled from softmax(logits / temperature) with `uniform` in [0, 1).
int64_t pick_token(const at::Tensor& logits_V, double temperature, double uniform);

}  // namespace mop
