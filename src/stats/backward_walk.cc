// stats/backward_walk.cc
#include "stats/backward_walk.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "gradient/layer_tape.h"
#include "gradient/output_loss.h"
#include "gradient/pass_memory.h"
#include "model/packing_on_device.h"
#include "tensor/mapped_file.h"
#include "tensor/scratch.h"
#include "tensor/upload.h"

namespace mop {
namespace {

// Complete sequences that are processed together.
struct Piece {
  int64_t first_token = 0;
  Packing packing = {};
  at::Tensor cos_NE = {}, sin_NE = {};
  std::shared_ptr<PackingOnDevice> packed = {};

  at::Tensor of(const at::Tensor& all_N) const {
    return all_N.narrow(0, first_token, packing.tokens());
  }
};

std::vector<Piece> cut(const Packing& packing, int64_t most_tokens) {
  std::vector<Piece> pieces;
  int64_t first_token = 0, in_piece = 0;
  for (const int64_t length : packing.lengths) {
    if (pieces.empty() || in_piece + length > most_tokens) {
      pieces.push_back({.first_token = first_token});
      in_piece = 0;
    }
    pieces.back().packing.lengths.push_back(length);
    in_piece += length;
    first_token += length;
  }
  return pieces;
}

// Tokens per recorded tape. On a device a layer's tape and its gradients need about four times the
// memory of a plain forward pass.
int64_t taped_tokens(const ModelConfig& config, const Compute& compute) {
  if (compute.device.is_cpu()) return kMostPieceTokens;
  return std::clamp(piece_tokens(config, compute) / 4, kLeastDevicePiece, kMostDevicePiece);
}

class Walk {
 public:
  Walk(const Model& model, const Compute& compute, const TokenSamples& samples,
       const std::filesystem::path& scratch, const BackwardVisitor& visitor, Progress& progress,
       int64_t piece_tokens)
      : packed_(pack(samples, !compute.device.is_cpu())),
        weights_(model, compute, WeightLoader::Keep::kOne),
        scratch_(scratch),
        visitor_(visitor),
        progress_(progress),
        piece_tokens_(piece_tokens) {}

  void run() {
    const int64_t layers = weights_.model().num_layers();
    std::vector<at::Tensor> inputs_ND(static_cast<size_t>(layers));
    at::Tensor gradient_ND = forward(inputs_ND);
    std::vector<Piece> pieces = pieces_for(taped_tokens(config(), compute()));
    place(pieces);
    replace_by_gradient(gradient_ND, pieces);
    for (int64_t layer = layers - 1; layer >= 0; --layer) {
      check_stop();
      weights_.prefetch(layer - 1);
      backward(layer, std::exchange(inputs_ND[static_cast<size_t>(layer)], {}), gradient_ND,
               pieces);
      check_mappings();
      progress_.advance(layers + (layers - layer) * kTapedCost);
    }
  }

 private:
  const ModelConfig& config() const { return weights_.model().config(); }
  const LayerShape& shape(int64_t layer) const {
    return config().layers[static_cast<size_t>(layer)];
  }
  const Compute& compute() const { return weights_.compute(); }
  bool on_device() const { return !compute().device.is_cpu(); }

  at::Tensor hidden_in_scratch() const {
    return zeros_in_scratch({packed_.ids_N.size(0), config().hidden}, compute().dtype, scratch_);
  }

  std::vector<Piece> pieces_for(int64_t tokens) const {
    return cut(packed_.packing, piece_tokens_ > 0 ? piece_tokens_ : tokens);
  }

  at::Tensor embedded() {
    const GlobalWeights& globals = weights_.embedding();
    at::Tensor hidden_ND =
        on_device() ? at::empty({packed_.ids_N.size(0), config().hidden},
                                at::TensorOptions(compute().device).dtype(compute().dtype))
                    : hidden_in_scratch();
    for (const Piece& piece : pieces_for(piece_tokens(config(), compute()))) {
      piece.of(hidden_ND).copy_(embed(globals, piece.of(packed_.ids_N), compute()));
    }
    return hidden_ND;
  }

  // Runs all layers and keeps the input of each.
  at::Tensor forward(std::vector<at::Tensor>& inputs_ND) {
    const std::vector<int64_t> first_token = first_tokens(packed_.packing);
    ForwardOptions options;
    options.chunk_tokens = piece_tokens_;
    options.tap = [&](int64_t layer, int64_t first_sequence, const Packing&) -> Tap {
      const int64_t first = first_token[static_cast<size_t>(first_sequence)];
      return [=, this, &inputs_ND](Site site, const at::Tensor& value) {
        if (site != Site::kLayerInput) return;
        at::Tensor& input_ND = inputs_ND[static_cast<size_t>(layer)];
        if (!input_ND.defined()) input_ND = hidden_in_scratch();
        input_ND.narrow(0, first, value.size(0)).copy_(value);
      };
    };
    options.mask = visitor_.mask;
    options.after_layer = [&](int64_t layer) { progress_.advance(layer + 1); };
    return run_layer_range(weights_, embedded(), packed_.packing, 0, weights_.model().num_layers(),
                           options);
  }

  // Computes the rotary tables; pieces of equal lengths share theirs.
  void place(std::vector<Piece>& pieces) const {
    const Piece* before = nullptr;
    for (Piece& piece : pieces) {
      if (before != nullptr && before->packing.lengths == piece.packing.lengths) {
        piece.cos_NE = before->cos_NE, piece.sin_NE = before->sin_NE;
        piece.packed = before->packed;
      } else {
        std::tie(piece.cos_NE, piece.sin_NE) = rotary(config(), piece.packing, compute());
        piece.packed = std::make_shared<PackingOnDevice>(piece.packing, compute().device);
      }
      before = &piece;
    }
  }

  // Overwrites the hidden states after the last layer with the gradient of the loss with respect to
  // them.
  void replace_by_gradient(const at::Tensor& hidden_ND, const std::vector<Piece>& pieces) {
    const NextTokens targets(packed_, config().vocab);
    WeightLoader outside(weights_.model(), compute(),
                         WeightLoader::Keep::kOne);  // released immediately
    for (const Piece& piece : pieces) {
      at::Tensor there_ND = piece.of(hidden_ND);
      const OutputLoss loss =
          output_loss(outside.globals(), config(), there_ND, piece.of(targets.ids_N),
                      piece.of(targets.weights_N), /*gradients=*/true);
      there_ND.copy_(loss.d_hidden_ND);
    }
  }

  // Replaces gradient_ND, with respect to the layer's output, by that with respect to its input.
  void backward(int64_t layer, const at::Tensor& input_ND, const at::Tensor& gradient_ND,
                const std::vector<Piece>& pieces) {
    if (shape(layer).heads == 0 && shape(layer).mlp == 0) return;
    for (const Piece& piece : pieces) {
      backward_piece(layer, piece, upload(piece.of(input_ND), compute().device),
                     piece.of(gradient_ND));
    }
    if (visitor_.after_layer) visitor_.after_layer(layer);
  }

  void backward_piece(int64_t layer, const Piece& piece, const at::Tensor& input_ND,
                      at::Tensor gradient_ND) {
    BackwardPiece seen{.layer = layer,
                       .packing = piece.packing,
                       .first_token = piece.first_token,
                       .gradient_ND = gradient_ND};
    std::vector<at::Tensor> by;
    const Tap tap = [&](Site site, const at::Tensor& value) {
      if (visitor_.observe) visitor_.observe(layer, site, value.detach());
      if (std::ranges::find(visitor_.sites, site) == visitor_.sites.end()) return;
      by.push_back(value);
      seen.sites[site].value = value.detach();
    };
    const std::optional<LayerMask> mask = mask_leaves(layer);
    const LayerCall call{.config = config(),
                         .layer = layer,
                         .packing = piece.packing,
                         .cos_NE = piece.cos_NE,
                         .sin_NE = piece.sin_NE,
                         .tap = &tap,
                         .mask = mask ? &*mask : nullptr,
                         .packed = piece.packed.get()};
    const LayerTape tape = record_layer(weights_.layer(layer), input_ND, call, /*through=*/true);
    seen.input_ND = tape.input_ND.detach();
    seen.output_ND = tape.output_ND.detach();
    std::vector<Site> order;  // sites in the order of execution
    for (const Site site : kOrder) {
      if (seen.sites.contains(site)) order.push_back(site);
    }
    std::vector<at::Tensor*> mask_gradient;
    if (mask) {
      for (at::Tensor LayerMask::*part : {&LayerMask::heads_H, &LayerMask::neurons_I}) {
        if (!((*mask).*part).defined()) continue;
        by.push_back((*mask).*part);
        mask_gradient.push_back(&(seen.mask_gradient.*part));
      }
    }
    if (layer > 0) by.push_back(tape.input_ND);
    std::vector<at::Tensor> gradients;
    if (!by.empty()) gradients = layer_gradients(tape, by, gradient_ND);
    for (size_t i = 0; i < order.size(); ++i) seen.sites[order[i]].gradient = gradients[i];
    for (size_t i = 0; i < mask_gradient.size(); ++i)
      *mask_gradient[i] = gradients[order.size() + i];
    visitor_.visit(seen);
    if (layer > 0) gradient_ND.copy_(gradients.back());
  }

  // The layer's mask with heads and neurons as leaves of the graph.
  std::optional<LayerMask> mask_leaves(int64_t layer) const {
    const LayerMask* given = visitor_.mask ? visitor_.mask(layer) : nullptr;
    if (given == nullptr) return std::nullopt;
    LayerMask mask = *given;
    for (at::Tensor LayerMask::*part : {&LayerMask::heads_H, &LayerMask::neurons_I}) {
      if ((mask.*part).defined()) mask.*part = (mask.*part).detach().requires_grad_(true);
    }
    return mask;
  }

  static constexpr Site kOrder[] = {Site::kHeadOutput, Site::kAttentionOutput, Site::kNeuron};

  const PackedSamples packed_;
  WeightLoader weights_;
  const std::filesystem::path scratch_;
  const BackwardVisitor& visitor_;
  Progress& progress_;
  const int64_t piece_tokens_;
};

}  // namespace

TokenSamples drop_single_tokens(const TokenSamples& samples) {
  TokenSamples kept;
  for (const auto& ids : samples.ids) {
    if (ids.size() > 1) kept.ids.push_back(ids);
  }
  return kept;
}

TokenSamples with_targets(const TokenSamples& samples) {
  TokenSamples kept = drop_single_tokens(samples);
  if (kept.ids.empty()) {
    throw bad_input("no calibration sample has at least two tokens, so there is nothing to predict")
        .hint("use longer samples, or lines with more than one word");
  }
  return kept;
}

void walk_backward(const Model& model, const Compute& compute, const TokenSamples& samples,
                   const std::filesystem::path& scratch, const BackwardVisitor& visitor,
                   Progress& progress, int64_t piece_tokens) {
  const c10::NoGradGuard no_grad;
  progress.begin("gathering gradients", model.num_layers() * (1 + kTapedCost));
  Walk(model, compute, samples, scratch, visitor, progress, piece_tokens).run();
  progress.end();
}

}  // namespace mop
