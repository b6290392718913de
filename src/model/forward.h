// model/forward.h -- the decoder layer function used by scoring, evaluation, generation, training
// and search. Differentiable when gradients are enabled; works in place when they are disabled.
//
// Shape letters: N tokens of all sequences, concatenated; B sequences, T tokens of one sequence, D
// hidden, H query heads, K KV heads, E head size, Q = H*E, I MLP neurons, V vocabulary.
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

/// Concatenated sequences without padding; attention does not cross sequence boundaries.
struct Packing {
  std::vector<int64_t> lengths;  ///< tokens of each sequence, all > 0
  /// Position of each sequence's first token (> 0 when it continues a cached sequence); empty = all
  /// 0.
  std::vector<int64_t> starts = {};
  /// true: the sequence is a branch. It continues the nearest preceding non-branch sequence (its
  /// prefix), independently of the prefix's other branches; its start is the prefix's length. Empty
  /// = no branches. Not supported with a cache.
  std::vector<bool> branches = {};
  int64_t tokens() const;
};

/// Keys and values of the sequences processed so far, for all layers. Gradients do not flow through
/// it.
class KvCache {
 public:
  /// Reserves `capacity_tokens` per sequence when a layer first needs it; grows on demand.
  KvCache(const ModelConfig& config, int64_t sequences, int64_t capacity_tokens, Compute compute);
  ~KvCache();
  KvCache(KvCache&&) noexcept;
  int64_t length(int64_t sequence) const;
  /// Removes the tokens of `sequence` from position `length` on.
  void truncate(int64_t sequence, int64_t length);
  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

/// Places in a layer where activations can be observed.
enum class Site {
  kLayerInput,       ///< hidden_ND entering the layer
  kAttentionInput,   ///< normed_ND entering q, k, v
  kHeadOutput,       ///< heads_NQ entering o_proj
  kAttentionOutput,  ///< hidden_ND after attention was added
  kMlpInput,         ///< normed_ND entering gate and up
  kNeuron,           ///< neurons_NI entering down_proj
  kLayerOutput       ///< hidden_ND leaving the layer
};

/// Called with the activation at a site. Must not keep the tensor: its memory is reused.
using Tap = std::function<void(Site site, const at::Tensor& value)>;

/// Multipliers that emulate removal: 0 = removed, 1 = present, values between act as gates.
/// Undefined = all 1. Gradients flow to them.
struct LayerMask {
  at::Tensor heads_H;    ///< multiplies each head's input to o_proj
  at::Tensor neurons_I;  ///< multiplies each neuron's input to down_proj
  at::Tensor attention;  ///< scalar, multiplies attention's addition to the residual stream
  at::Tensor mlp;        ///< scalar, multiplies the MLP's addition
  at::Tensor layer;      ///< scalar, multiplies the addition of the whole layer
  /// Multiplies the layer's input and the additions of both halves. 0 in all layers emulates a
  /// channel removed from the model.
  at::Tensor hidden_D = {};
};

/// Arguments of `decoder_layer` other than weights and hidden states.
struct LayerCall {
  const ModelConfig& config;
  int64_t layer;  ///< index in the current model (shape, window, cache slot)
  const Packing& packing;
  const at::Tensor& cos_NE;  ///< rotary tables of the packed positions, from `rotary`
  const at::Tensor& sin_NE;
  KvCache* cache = nullptr;  ///< if given, sequences continue its contents
  const Tap* tap = nullptr;
  const LayerMask* mask = nullptr;
  int64_t first_sequence = 0;  ///< index in the cache of the packing's first sequence
  Workspace* workspace =
      nullptr;  ///< temporaries reused between calls; null = allocated by the call
  PackingOnDevice* packed =
      nullptr;  ///< of this packing, shared by all layers; null = created by the call
};

/// Returns hidden_ND after the layer, same dtype and device. With gradients disabled, the input may
/// be overwritten and returned. Source: LLaMA (arXiv 2302.13971); grouped queries: arXiv
/// 2305.13245.
at::Tensor decoder_layer(const LayerWeights& weights, at::Tensor hidden_ND, const LayerCall& call);

/// Returns cos and sin of the packed positions, [N, E] each, in `compute`.
std::pair<at::Tensor, at::Tensor> rotary(const ModelConfig& config, const Packing& packing,
                                         const Compute& compute);

/// Looks up ids_N (int64) and returns hidden_ND. Reads only the embedding and the input rows of
/// `globals`. Throws Error(kBadInput) for an id outside both; ids on a device are not checked,
/// since this would synchronise.
at::Tensor embed(const GlobalWeights& globals, const at::Tensor& ids_N, const Compute& compute);
/// Returns logits_NV in the compute dtype for hidden_ND after the last layer.
at::Tensor logits(const GlobalWeights& globals, const ModelConfig& config,
                  const at::Tensor& hidden_ND);

/// Returns the number of elements of temporaries per token in the widest layer.
int64_t widest_elements(const ModelConfig& config);
/// Returns the tokens of a piece: enough to amortise the cost of calls, few enough that
/// intermediate values stay in the CPU's caches; 2048 for a wide model, up to 8192 for a narrow
/// one. On a device 16384, or fewer if they need more than `working_bytes` of its memory.
int64_t piece_tokens(const ModelConfig& config, const Compute& compute);

/// Options of `run_layers`, which runs layer by layer over pieces of complete sequences of about
/// `chunk_tokens` tokens, so that each weight is read once and temporaries stay small.
struct ForwardOptions {
  int64_t chunk_tokens = 0;  ///< 0 = `piece_tokens`
  KvCache* cache = nullptr;
  /// Returns the tap for (layer, first sequence of the piece, packing of the piece); may be empty.
  std::function<Tap(int64_t layer, int64_t first_sequence, const Packing& piece)> tap;
  /// Returns the mask of a layer, or null.
  std::function<const LayerMask*(int64_t layer)> mask;
  /// Called after each layer (progress, interruption).
  std::function<void(int64_t layer)> after_layer;
};
/// Returns hidden_ND after the last layer, before the final norm.
at::Tensor run_layers(WeightLoader& weights, const at::Tensor& ids_N, const Packing& packing,
                      const ForwardOptions& options = {});
/// Runs layers [first, last) on hidden_ND, e.g. those that two candidates do not share.
at::Tensor run_layer_range(WeightLoader& weights, at::Tensor hidden_ND, const Packing& packing,
                           int64_t first, int64_t last, const ForwardOptions& options = {});

}  // namespace mop
