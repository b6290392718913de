// model/run_layers.cc -- loops over layers, then over pieces of complete sequences, so that each
// weight is read once.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "base/progress.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/packing_on_device.h"
#include "model/workspace.h"
#include "tensor/dtype.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

struct Piece {
  int64_t first_sequence = 0, first_token = 0;
  Packing packing;
  at::Tensor cos_NE, sin_NE;
  at::Tensor hidden_ND;
  std::shared_ptr<PackingOnDevice> packed = {};
};

std::vector<Piece> cut(const Packing& packing, int64_t chunk_tokens) {
  std::vector<Piece> pieces;
  int64_t tokens = 0, in_piece = 0;
  for (size_t s = 0; s < packing.lengths.size(); ++s) {
    const int64_t length = packing.lengths[s];
    // A branch stays in the piece of its prefix.
    const bool branch = !packing.branches.empty() && packing.branches[s];
    if (pieces.empty() || (in_piece + length > chunk_tokens && !branch)) {
      pieces.push_back({static_cast<int64_t>(s), tokens, {}, {}, {}, {}});
      in_piece = 0;
    }
    Packing& part = pieces.back().packing;
    part.lengths.push_back(length);
    if (!packing.starts.empty()) part.starts.push_back(packing.starts[s]);
    if (!packing.branches.empty()) part.branches.push_back(branch);
    in_piece += length;
    tokens += length;
  }
  return pieces;
}

void check_packing(const Packing& packing, const at::Tensor& hidden_ND) {
  if (packing.tokens() != hidden_ND.size(0)) {
    throw internal_error("the packing has {} tokens, the hidden states {}", packing.tokens(),
                         hidden_ND.size(0));
  }
  if (!packing.starts.empty() && packing.starts.size() != packing.lengths.size()) {
    throw internal_error("{} starts for {} sequences", packing.starts.size(),
                         packing.lengths.size());
  }
  if (!packing.branches.empty() &&
      (packing.branches.size() != packing.starts.size() || packing.branches.front())) {
    throw internal_error("branches need starts and a preceding prefix");
  }
}

void run_layer(WeightLoader& weights, int64_t layer, std::vector<Piece>& pieces,
               const ForwardOptions& options, Workspace& workspace) {
  const LayerMask* mask = options.mask ? options.mask(layer) : nullptr;
  for (Piece& piece : pieces) {
    const Tap tap = options.tap ? options.tap(layer, piece.first_sequence, piece.packing) : Tap();
    const LayerCall call{.config = weights.model().config(),
                         .layer = layer,
                         .packing = piece.packing,
                         .cos_NE = piece.cos_NE,
                         .sin_NE = piece.sin_NE,
                         .cache = options.cache,
                         .tap = tap ? &tap : nullptr,
                         .mask = mask,
                         .first_sequence = piece.first_sequence,
                         .workspace = &workspace,
                         .packed = piece.packed.get()};
    piece.hidden_ND = decoder_layer(weights.layer(layer), piece.hidden_ND, call);
  }
}

// The pieces are views of `hidden_ND` unless gradients created new tensors.
at::Tensor joined(const at::Tensor& hidden_ND, const std::vector<Piece>& pieces) {
  std::vector<at::Tensor> parts;
  bool in_place = true;
  for (const Piece& piece : pieces) {
    parts.push_back(piece.hidden_ND);
    in_place &= piece.hidden_ND.is_alias_of(hidden_ND);
  }
  if (in_place) return hidden_ND;
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

// `hidden_ND` is owned by the function, which overwrites it if gradients are disabled.
at::Tensor run_owned(WeightLoader& weights, const at::Tensor& hidden_ND, const Packing& packing,
                     int64_t first, int64_t last, const ForwardOptions& options) {
  check_packing(packing, hidden_ND);
  if (options.cache != nullptr) options.cache->state().check(packing);
  const int64_t most = options.chunk_tokens > 0
                           ? options.chunk_tokens
                           : piece_tokens(weights.model().config(), weights.compute());
  std::vector<Piece> pieces = cut(packing, most);
  for (Piece& piece : pieces) {
    std::tie(piece.cos_NE, piece.sin_NE) =
        rotary(weights.model().config(), piece.packing, weights.compute());
    piece.hidden_ND = hidden_ND.narrow(0, piece.first_token, piece.packing.tokens());
    if (!hidden_ND.is_cpu()) {
      piece.packed = std::make_shared<PackingOnDevice>(piece.packing, hidden_ND.device());
    }
  }
  Workspace workspace;
  for (int64_t layer = first; layer < last; ++layer) {
    check_stop();
    if (layer + 1 < last) weights.prefetch(layer + 1);
    run_layer(weights, layer, pieces, options, workspace);
    if (options.after_layer) options.after_layer(layer);
  }
  check_mappings();
  if (options.cache != nullptr) options.cache->state().advance(packing, 0);
  return joined(hidden_ND, pieces);
}

}  // namespace

int64_t widest_elements(const ModelConfig& config) {
  int64_t widest = 0;
  for (const LayerShape& shape : config.layers) {
    const int64_t attention = (3 * shape.heads + 2 * shape.kv_heads) * shape.head_dim;
    widest = std::max(widest, attention + 3 * shape.mlp);
  }
  return widest + 4 * config.hidden;
}

int64_t piece_tokens(const ModelConfig& config, const Compute& compute) {
  constexpr int64_t kHiddenBytes = int64_t{3} << 20;
  const auto element = static_cast<int64_t>(dtype_bytes(compute.dtype));
  if (compute.store != nullptr) {
    // Few large products already keep a device busy; its memory is the limit.
    const int64_t fit = working_bytes(compute.store->budget_bytes()) /
                        std::max<int64_t>(1, widest_elements(config) * element);
    return std::clamp<int64_t>(fit, 1024, 16384);
  }
  const int64_t row = config.hidden * element;
  return std::clamp<int64_t>(kHiddenBytes / row, 2048, 8192);
}

at::Tensor run_layers(WeightLoader& weights, const at::Tensor& ids_N, const Packing& packing,
                      const ForwardOptions& options) {
  const at::Tensor hidden_ND = embed(weights.embedding(), ids_N, weights.compute());
  return run_owned(weights, hidden_ND, packing, 0, weights.model().num_layers(), options);
}

at::Tensor run_layer_range(WeightLoader& weights, at::Tensor hidden_ND, const Packing& packing,
                           int64_t first, int64_t last, const ForwardOptions& options) {
  // If the caller moved the tensor here, no copy is needed.
  const bool ours = hidden_ND.use_count() == 1 && hidden_ND.storage().use_count() == 1;
  if (!ours && !at::GradMode::is_enabled()) hidden_ND = hidden_ND.clone();
  return run_owned(weights, hidden_ND, packing, first, last, options);
}

}  // namespace mop
