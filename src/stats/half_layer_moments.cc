// stats/half_layer_moments.cc
#include "stats/half_layer_moments.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/error.h"
#include "gradient/layer_tape.h"
#include "gradient/output_loss.h"
#include "gradient/pass_memory.h"
#include "model/forward.h"
#include "model/packing_on_device.h"
#include "stats/packed_samples.h"
#include "stats/second_moment.h"
#include "tensor/mapped_file.h"
#include "tensor/scratch.h"
#include "tensor/upload.h"

namespace mop {
namespace {


TokenSamples with_targets(const TokenSamples& samples) {
  TokenSamples kept;
  for (const auto& ids : samples.ids) {
    if (ids.size() > 1) kept.ids.push_back(ids);
  }
  if (kept.ids.empty()) {
    throw bad_input("no calibration sample has two tokens or more: there is nothing to predict")
        .hint("longer samples, or lines that are not single words");
  }
  return kept;
}

// Whole sequences that go through a layer together.
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

// Tokens whose tape is held at a time. On a device a layer's tape and its gradients take about four
// times what the layer takes without.
int64_t taped_tokens(const ModelConfig& config, const Compute& compute) {
  if (compute.device.is_cpu()) return kMostPieceTokens;
  return std::clamp(piece_tokens(config, compute) / 4, kLeastDevicePiece, kMostDevicePiece);
}

// What each token is to predict; the last of a sample predicts nothing, its weight is 0.
struct Targets {
  at::Tensor ids_N, weights_N;

  explicit Targets(const PackedSamples& packed)
      : ids_N(packed.ids_N.roll(-1)), weights_N(at::ones({packed.ids_N.size(0)}, at::kFloat)) {
    int64_t end = 0;
    for (const int64_t length : packed.packing.lengths) weights_N[(end += length) - 1] = 0;
  }
};

// What the half behind this one adds to the hidden states, beside this one's inputs.
struct NextSums {
  at::Tensor cross_DK;
  SecondMoment added;

  NextSums(int64_t hidden, int64_t inputs, c10::Device device)
      : cross_DK(at::zeros({hidden, inputs}, at::TensorOptions(device).dtype(at::kFloat))),
        added(hidden, device) {}
  void add(const at::Tensor& added_ND, const at::Tensor& input_NK) {
    const at::Tensor wide_ND = added_ND.to(at::kFloat);
    cross_DK.addmm_(wide_ND.t(), input_NK.to(at::kFloat));
    added.add(wide_ND);
  }
};

// The sums of one layer's halves.
struct LayerSums {
  std::optional<SecondMoment> heads, behind_attention, neurons, behind_mlp;
  std::optional<NextSums> behind_heads, behind_neurons;

  LayerSums(const ModelConfig& config, const LayerShape& shape, c10::Device device,
            bool gradients) {
    if (shape.heads > 0) {
      heads.emplace(shape.heads * shape.head_dim, device);
      if (gradients) behind_attention.emplace(config.hidden, device);
    }
    if (shape.mlp > 0) {
      neurons.emplace(shape.mlp, device);
      if (gradients) behind_mlp.emplace(config.hidden, device);
    }
  }
};

class Walk {
 public:
  Walk(const Model& model, const Compute& compute, const TokenSamples& samples,
       const std::filesystem::path& scratch,
       const std::function<void(const HalfLayerMoments&)>& visit, Progress& progress,
       const MomentsOptions& options)
      : packed_(pack(samples, !compute.device.is_cpu())),
        weights_(model, compute, WeightLoader::Keep::kOne),
        scratch_(scratch),
        visit_(visit),
        progress_(progress),
        options_(options) {}

  void run() {
    const int64_t layers = weights_.model().num_layers();
    progress_.begin("gathering second moments", layers * (options_.gradients ? 1 + kTapedCost : 1));
    options_.gradients ? run_both_ways() : run_forward();
    progress_.end();
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
    return cut(packed_.packing, options_.piece_tokens > 0 ? options_.piece_tokens : tokens);
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

  // All layers. `look` is given the layer, the piece's first token and what the tap sees.
  template <typename Look, typename After>
  at::Tensor forward(Look look, After after_layer) {
    const std::vector<int64_t> first_token = first_tokens(packed_.packing);
    ForwardOptions options;
    options.chunk_tokens = options_.piece_tokens;
    options.tap = [&](int64_t layer, int64_t first_sequence, const Packing&) -> Tap {
      const int64_t first = first_token[static_cast<size_t>(first_sequence)];
      return [=, &look](Site site, const at::Tensor& value) { look(layer, first, site, value); };
    };
    options.after_layer = after_layer;
    return run_layer_range(weights_, embedded(), packed_.packing, 0, weights_.model().num_layers(),
                           options);
  }

  void run_forward() {
    std::optional<LayerSums> sums;
    forward(
        [&](int64_t layer, int64_t, Site site, const at::Tensor& value) {
          if (!sums) sums.emplace(config(), shape(layer), compute().device, false);
          if (site == Site::kHeadOutput) sums->heads->add(value);
          if (site == Site::kNeuron) sums->neurons->add(value);
        },
        [&](int64_t layer) {
          hand_on(layer, Half::kAttention, sums->heads, sums->behind_attention);
          hand_on(layer, Half::kMlp, sums->neurons, sums->behind_mlp);
          sums.reset();
          progress_.advance(layer + 1);
        });
  }

  void run_both_ways() {
    const int64_t layers = weights_.model().num_layers();
    std::vector<at::Tensor> inputs_ND(static_cast<size_t>(layers));
    at::Tensor gradient_ND = forward(
        [&](int64_t layer, int64_t first, Site site, const at::Tensor& value) {
          if (site != Site::kLayerInput) return;
          at::Tensor& input_ND = inputs_ND[static_cast<size_t>(layer)];
          if (!input_ND.defined()) input_ND = hidden_in_scratch();
          input_ND.narrow(0, first, value.size(0)).copy_(value);
        },
        [&](int64_t layer) { progress_.advance(layer + 1); });
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

  // Pieces of equal lengths share their tables.
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

  // Hidden states behind the last layer -> the loss's gradient by them.
  void replace_by_gradient(const at::Tensor& hidden_ND, const std::vector<Piece>& pieces) {
    const Targets targets(packed_);
    WeightLoader outside(weights_.model(), compute(), WeightLoader::Keep::kOne);  // let go at once
    for (const Piece& piece : pieces) {
      at::Tensor there_ND = piece.of(hidden_ND);
      const OutputLoss loss =
          output_loss(outside.globals(), config(), there_ND, piece.of(targets.ids_N),
                      piece.of(targets.weights_N), /*gradients=*/true);
      there_ND.copy_(loss.d_hidden_ND);
    }
  }

  // gradient_ND: by the layer's output -> by its input.
  void backward(int64_t layer, const at::Tensor& input_ND, const at::Tensor& gradient_ND,
                const std::vector<Piece>& pieces) {
    if (shape(layer).heads == 0 && shape(layer).mlp == 0) return;
    LayerSums sums(config(), shape(layer), compute().device, true);
    const at::Tensor next_ND = std::exchange(first_added_ND_, {});
    if (options_.look_ahead) expect_next(layer, next_ND.defined(), sums);
    for (const Piece& piece : pieces) {
      backward_piece(layer, piece, upload(piece.of(input_ND), compute().device),
                     piece.of(gradient_ND), next_ND, sums);
    }
    hand_on(layer, Half::kMlp, sums.neurons, sums.behind_mlp, &sums.behind_neurons);
    hand_on(layer, Half::kAttention, sums.heads, sums.behind_attention, &sums.behind_heads);
  }

  // The sums for what follows each half, and where this layer's first half puts what it adds.
  void expect_next(int64_t layer, bool has_next, LayerSums& sums) {
    const LayerShape& here = shape(layer);
    const int64_t hidden = config().hidden;
    if (here.heads > 0 && (here.mlp > 0 || has_next)) {
      sums.behind_heads.emplace(hidden, here.heads * here.head_dim, compute().device);
    }
    if (here.mlp > 0 && has_next) sums.behind_neurons.emplace(hidden, here.mlp, compute().device);
    if (layer > 0) first_added_ND_ = hidden_in_scratch();
  }

  // Hidden states before, between and behind the halves of a layer, and what enters the
  // projections.
  struct Seen {
    at::Tensor input_ND, middle_ND, output_ND, heads_NK, neurons_NK;
  };
  void look_ahead(const Piece& piece, const Seen& seen, const at::Tensor& next_ND,
                  LayerSums& sums) {
    const bool both = sums.heads && sums.neurons;
    const at::Tensor& middle_ND = both ? seen.middle_ND : seen.output_ND;
    if (both) sums.behind_heads->add(seen.output_ND - middle_ND, seen.heads_NK);
    if (next_ND.defined()) {
      const at::Tensor added_ND = upload(piece.of(next_ND), compute().device);
      if (sums.neurons) {
        sums.behind_neurons->add(added_ND, seen.neurons_NK);
      } else {
        sums.behind_heads->add(added_ND, seen.heads_NK);
      }
    }
    if (first_added_ND_.defined()) piece.of(first_added_ND_).copy_(middle_ND - seen.input_ND);
  }

  void backward_piece(int64_t layer, const Piece& piece, const at::Tensor& input_ND,
                      at::Tensor gradient_ND, const at::Tensor& next_ND, LayerSums& sums) {
    at::Tensor behind_attention_ND, heads_NK, neurons_NK;
    const Tap tap = [&](Site site, const at::Tensor& value) {
      if (site == Site::kHeadOutput) sums.heads->add(heads_NK = value.detach());
      if (site == Site::kNeuron) sums.neurons->add(neurons_NK = value.detach());
      if (site == Site::kAttentionOutput) behind_attention_ND = value;
    };
    const LayerCall call{.config = config(),
                         .layer = layer,
                         .packing = piece.packing,
                         .cos_NE = piece.cos_NE,
                         .sin_NE = piece.sin_NE,
                         .tap = &tap,
                         .packed = piece.packed.get()};
    const LayerTape tape = record_layer(weights_.layer(layer), input_ND, call, /*through=*/true);
    std::vector<at::Tensor> by;
    const bool both = sums.heads && sums.neurons;
    if (options_.look_ahead) {
      const at::Tensor middle_ND = both ? behind_attention_ND.detach() : at::Tensor();
      look_ahead(piece,
                 {tape.input_ND.detach(), middle_ND, tape.output_ND.detach(), heads_NK, neurons_NK},
                 next_ND, sums);
    }
    if (both) by.push_back(behind_attention_ND);
    if (layer > 0) by.push_back(tape.input_ND);
    std::vector<at::Tensor> gradients;
    if (!by.empty()) gradients = layer_gradients(tape, by, gradient_ND);
    if (sums.behind_mlp) sums.behind_mlp->add(gradient_ND);
    if (sums.behind_attention) sums.behind_attention->add(both ? gradients[0] : gradient_ND);
    if (layer > 0) gradient_ND.copy_(gradients.back());
  }

  void hand_on(int64_t layer, Half half, std::optional<SecondMoment>& inputs,
               std::optional<SecondMoment>& gradients,
               std::optional<NextSums>* next = nullptr) {
    if (!inputs) return;
    const int64_t tokens = packed_.ids_N.size(0);
    HalfLayerMoments moments{.layer = layer, .half = half, .gram_KK = inputs->mean(tokens)};
    moments.tokens = tokens;
    if (next != nullptr && *next) {
      moments.next_DK = (*next)->cross_DK.div_(static_cast<double>(tokens));
      moments.next_DD = (*next)->added.mean(tokens);
      next->reset();
    }
    inputs.reset();
    if (gradients) moments.gradients_DD = gradients->mean(tokens);
    gradients.reset();
    check_finite(moments);
    visit_(moments);
  }

  // A number of a token that is not finite is on the diagonal, too.
  void check_finite(const HalfLayerMoments& moments) const {
    const auto is_finite = [](const at::Tensor& moment) {
      return !moment.defined() || at::isfinite(moment.diagonal()).all().item<bool>();
    };
    const bool inputs = is_finite(moments.gram_KK);
    if (inputs && is_finite(moments.gradients_DD)) return;
    throw bad_input("{} of layer {}'s {} are not finite", inputs ? "gradients" : "activations",
                    moments.layer, moments.half == Half::kMlp ? "MLP" : "attention")
        .where("model", weights_.model().checkpoint().folder().string())
        .hint(
            "the weights may hold NaN or infinity, or the compute dtype overflows: try --dtype "
            "float32");
  }

  const PackedSamples packed_;
  WeightLoader weights_;
  const std::filesystem::path scratch_;
  const std::function<void(const HalfLayerMoments&)>& visit_;
  Progress& progress_;
  const MomentsOptions options_;
  at::Tensor first_added_ND_;  // what the first half of the layer behind this one adds
};

}  // namespace

void walk_half_layer_moments(const Model& model, const Compute& compute,
                             const TokenSamples& samples, const std::filesystem::path& scratch,
                             const std::function<void(const HalfLayerMoments&)>& visit,
                             Progress& progress, const MomentsOptions& options) {
  const c10::NoGradGuard no_grad;
  Walk(model, compute, with_targets(samples), scratch, visit, progress, options).run();
}

}  // namespace mop
