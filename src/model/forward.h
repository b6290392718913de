// model/forward.h -- the one decoder-layer function: scoring, evaluation, generation, training and
// search all run it. Differentiable when gradients are on, buffer-reusing when they are off.
//
// Shape letters: N tokens of all sequences laid end to end, B sequences, T tokens of one sequence,
// D hidden, H query heads, K KV heads, E head size, Q = H*E, I MLP neurons, V vocabulary.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "model/weights.h"

namespace mop {

class PackingOnDevice;
class Workspace;

/// Sequences laid end to end, without padding: attention never crosses from one to the next.
struct Packing {
  std::vector<int64_t> lengths;  ///< tokens of each sequence, all > 0
  /// Position of each sequence's first token (> 0 when continuing behind a cache); empty = all 0.
  std::vector<int64_t> starts = {};
  /// true: a branch, which continues the nearest sequence before it that is none, beside that one's
  /// other branches; its start is that one's length. Empty = none. Not through a cache.
  std::vector<bool> branches = {};
  int64_t tokens() const;
};

/// Keys and values of the sequences seen so far; one value for all layers. Owned by the caller.
/// Gradients do not flow through it.
class KvCache {
 public:
  /// Room for `capacity_tokens` of each sequence, made when a layer first needs it; it grows.
  KvCache(const ModelConfig& config, int64_t sequences, int64_t capacity_tokens, Compute compute);
  ~KvCache();
  KvCache(KvCache&&) noexcept;
  int64_t length(int64_t sequence) const;
  /// Forgets the tokens of `sequence` from `length` on.
  void truncate(int64_t sequence, int64_t length);
  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

/// Places in a layer where activations can be looked at.
enum class Site {
  kLayerInput,       ///< hidden_ND entering the layer
  kAttentionInput,   ///< normed_ND entering q, k, v
  kHeadOutput,       ///< heads_NQ entering o_proj
  kAttentionOutput,  ///< hidden_ND after attention was added
  kMlpInput,         ///< normed_ND entering gate and up
  kNeuron,           ///< neurons_NI entering down_proj
  kLayerOutput       ///< hidden_ND leaving the layer
};

/// Called with the activation of a site; must not keep the tensor, whose memory is reused.
using Tap = std::function<void(Site site, const at::Tensor& value)>;

/// Multipliers that stand for removal: 0 = gone, 1 = there; anything between is a gate. Undefined =
/// all 1. They take part in the gradient.
struct LayerMask {
  at::Tensor heads_H;    ///< multiplies each head's entry to o_proj
  at::Tensor neurons_I;  ///< multiplies each neuron's entry to down_proj
  at::Tensor attention;  ///< scalar, multiplies what attention adds to the residual stream
  at::Tensor mlp;        ///< scalar, the same for the MLP
  at::Tensor layer;      ///< scalar, multiplies what the whole layer adds
  /// Multiplies what enters the layer and what each half adds. 0 in all layers is a channel that is
  /// removed from the model.
  at::Tensor hidden_D = {};
};

/// What one call of the decoder layer needs besides weights and hidden states.
struct LayerCall {
  const ModelConfig& config;
  int64_t layer;  ///< index in the current model: shape, window, cache slot
  const Packing& packing;
  const at::Tensor& cos_NE;  ///< rotary tables of the packed positions, from `rotary`
  const at::Tensor& sin_NE;
  KvCache* cache = nullptr;  ///< when given, sequences continue behind what it holds
  const Tap* tap = nullptr;
  const LayerMask* mask = nullptr;
  int64_t first_sequence = 0;      ///< the cache's number of the packing's first sequence
  Workspace* workspace = nullptr;  ///< memory to work in, kept between calls; null = the call's own
  PackingOnDevice* packed = nullptr;  ///< of this packing, for all layers; null = the call's own
};

/// hidden_ND -> hidden_ND, same dtype and device. With gradients off, `hidden_ND` may be
/// overwritten and returned. Source: LLaMA (arXiv 2302.13971), grouped queries (2305.13245).
at::Tensor decoder_layer(const LayerWeights& weights, at::Tensor hidden_ND, const LayerCall& call);

/// cos and sin of the packed positions, [N, E] each, in `compute`.
std::pair<at::Tensor, at::Tensor> rotary(const ModelConfig& config, const Packing& packing,
                                         const Compute& compute);

/// ids_N (int64) -> hidden_ND. Of `globals` only the embedding and the rows behind the vocabulary
/// are read. Throws Error(kBadInput) on an id that neither has; ids that are on a device already
/// are not checked, which would wait for it.
at::Tensor embed(const GlobalWeights& globals, const at::Tensor& ids_N, const Compute& compute);
/// hidden_ND after the last layer -> logits_NV in the compute dtype.
at::Tensor logits(const GlobalWeights& globals, const ModelConfig& config,
                  const at::Tensor& hidden_ND);

/// Elements of the temporaries of one decoder layer that a token needs in the widest layer.
int64_t widest_elements(const ModelConfig& config);
/// Tokens of a piece: so many that calls cost little, so few that what is between products stays
/// in the caches; 2048 of a wide model, up to 8192 of a narrow one. On a device 16384, fewer where
/// they would take more than `working_bytes` of its memory.
int64_t piece_tokens(const ModelConfig& config, const Compute& compute);

/// Runs all layers over the packed sequences, layer by layer, in pieces of whole sequences of about
/// `chunk_tokens` tokens, so that weights stream once and temporaries stay small.
struct ForwardOptions {
  int64_t chunk_tokens = 0;  ///< 0 = `piece_tokens`
  KvCache* cache = nullptr;
  /// Tap for (layer, first sequence of the piece, packing of the piece); may return an empty Tap.
  std::function<Tap(int64_t layer, int64_t first_sequence, const Packing& piece)> tap;
  /// Mask of a layer, null for none.
  std::function<const LayerMask*(int64_t layer)> mask;
  /// Called after each layer (progress, interruption).
  std::function<void(int64_t layer)> after_layer;
};
/// ids_N of `packing` -> hidden_ND after the last layer (before the final norm).
at::Tensor run_layers(WeightLoader& weights, const at::Tensor& ids_N, const Packing& packing,
                      const ForwardOptions& options = {});
/// Layers [first, last) over hidden_ND, e.g. what two candidates do not share.
at::Tensor run_layer_range(WeightLoader& weights, at::Tensor hidden_ND, const Packing& packing,
                           int64_t first, int64_t last, const ForwardOptions& options = {});

}  // namespace mop
