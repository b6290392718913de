// model/generate.h -- continuing a prompt token by token.
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
  double temperature = 0.0;      ///< 0 = the most likely token each time
  uint64_t seed = 0;             ///< draws with temperature > 0
  std::vector<int64_t> stop;     ///< ends after one of these; empty = the config's EOS tokens
  bool ignore_eos = false;       ///< goes on to max_new_tokens (latency measurements)
  /// Called with each new token; generation ends when it returns false.
  std::function<bool(int64_t id)> on_token;
};

/// Feeds tokens to several sequences, all of one length, through a KV cache: one step of generation
/// after the other. The loader should keep all layers (WeightLoader::Keep::kAll).
class Decoder {
 public:
  /// Room for `capacity_tokens` of each sequence; it grows.
  Decoder(WeightLoader& weights, int64_t sequences, int64_t capacity_tokens);
  /// ids_BT (int64, CPU or the device) continue what was fed before -> logits_BV behind each
  /// sequence's last token, in the compute dtype. No gradient. Throws as `run_layers` does.
  at::Tensor feed(const at::Tensor& ids_BT);

 private:
  WeightLoader& weights_;
  KvCache cache_;
  ForwardOptions forward_;
};

/// The new tokens, the one that ended it included; by a Decoder. Throws Error(kBadInput): empty
/// prompt, an id outside the vocabulary, prompt and new tokens longer than the model's context.
std::vector<int64_t> generate(WeightLoader& weights, std::span<const int64_t> prompt,
                              const GenerateOptions& options = {});

/// The token of logits_V: the largest (lowest id among equals) at temperature 0, otherwise drawn
/// from softmax(logits / temperature) with `uniform` in [0, 1).
int64_t pick_token(const at::Tensor& logits_V, double temperature, double uniform);

}  // namespace mop
