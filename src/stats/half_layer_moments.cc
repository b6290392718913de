// stats/half_layer_moments.cc
#include "stats/half_layer_moments.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "model/forward.h"
#include "stats/backward_walk.h"
#include "stats/packed_samples.h"
#include "stats/second_moment.h"
#include "tensor/scratch.h"
#include "tensor/upload.h"

namespace mop {
namespace {

// Sums over the next half layer's addition to the hidden states, and its products with this half
// layer's inputs.
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

class MomentsWalk {
 public:
  MomentsWalk(const Model& model, const Compute& compute, const TokenSamples& samples,
              const std::filesystem::path& scratch,
              const std::function<void(const HalfLayerMoments&)>& visit, Progress& progress,
              const MomentsOptions& options)
      : model_(model),
        compute_(compute),
        samples_(samples),
        scratch_(scratch),
        visit_(visit),
        progress_(progress),
        options_(options) {}

  void run_forward() {
    const PackedSamples packed = pack(samples_, !compute_.device.is_cpu());
    WeightLoader weights(model_, compute_, WeightLoader::Keep::kOne);
    progress_.begin("gathering second moments", model_.num_layers());
    ForwardOptions options;
    options.chunk_tokens = options_.piece_tokens;
    options.tap = [&](int64_t layer, int64_t, const Packing&) -> Tap {
      return [this, layer](Site site, const at::Tensor& value) { observe(layer, site, value); };
    };
    options.after_layer = [&](int64_t layer) {
      report(layer, Half::kAttention);
      report(layer, Half::kMlp);
      sums_.reset();
      progress_.advance(layer + 1);
    };
    run_layers(weights, packed.ids_N, packed.packing, options);
    progress_.end();
  }

  void run_both_ways() {
    BackwardVisitor visitor;
    visitor.sites = {Site::kAttentionOutput};
    visitor.observe = [&](int64_t layer, Site site, const at::Tensor& value) {
      observe(layer, site, value);
    };
    visitor.visit = [&](const BackwardPiece& piece) {
      if (options_.look_ahead) look_ahead(piece);
      if (sums_->behind_mlp) sums_->behind_mlp->add(piece.gradient_ND);
      if (!sums_->behind_attention) return;
      const auto behind = piece.sites.find(Site::kAttentionOutput);
      // Without an MLP, attention's output is the layer's output.
      sums_->behind_attention->add(sums_->neurons ? behind->second.gradient : piece.gradient_ND);
    };
    visitor.after_layer = [&](int64_t layer) {
      report(layer, Half::kMlp);
      report(layer, Half::kAttention);
      sums_.reset();
    };
    walk_backward(model_, compute_, samples_, scratch_, visitor, progress_, options_.piece_tokens);
  }

 private:
  void observe(int64_t layer, Site site, const at::Tensor& value) {
    const ModelConfig& config = model_.config();
    if (!sums_) {
      sums_.emplace(config, config.layers[static_cast<size_t>(layer)], compute_.device,
                    options_.gradients);
      if (options_.look_ahead) expect_next(layer);
    }
    if (site == Site::kHeadOutput) sums_->heads->add(value);
    if (site == Site::kNeuron) sums_->neurons->add(value);
    if (!options_.look_ahead) return;
    if (site == Site::kHeadOutput) heads_NK_ = value;
    if (site == Site::kNeuron) neurons_NK_ = value;
  }

  // Prepares the sums for the half layer after each half, and the buffer for the addition of this
  // layer's first half.
  void expect_next(int64_t layer) {
    const ModelConfig& config = model_.config();
    const LayerShape& here = config.layers[static_cast<size_t>(layer)];
    next_ND_ = std::exchange(first_added_ND_, {});
    if (here.heads > 0 && (here.mlp > 0 || next_ND_.defined())) {
      sums_->behind_heads.emplace(config.hidden, here.heads * here.head_dim, compute_.device);
    }
    if (here.mlp > 0 && next_ND_.defined()) {
      sums_->behind_neurons.emplace(config.hidden, here.mlp, compute_.device);
    }
    if (layer > 0) {
      first_added_ND_ =
          zeros_in_scratch({samples_.tokens(), config.hidden}, compute_.dtype, scratch_);
    }
  }

  void look_ahead(const BackwardPiece& piece) {
    const bool both = sums_->heads && sums_->neurons;
    const auto in_piece = [&](const at::Tensor& all_ND) {
      return all_ND.narrow(0, piece.first_token, piece.packing.tokens());
    };
    const at::Tensor middle_ND =
        both ? piece.sites.at(Site::kAttentionOutput).value : piece.output_ND;
    if (both) sums_->behind_heads->add(piece.output_ND - middle_ND, heads_NK_);
    if (next_ND_.defined()) {
      const at::Tensor added_ND = upload(in_piece(next_ND_), compute_.device);
      if (sums_->neurons) {
        sums_->behind_neurons->add(added_ND, neurons_NK_);
      } else {
        sums_->behind_heads->add(added_ND, heads_NK_);
      }
    }
    if (first_added_ND_.defined()) in_piece(first_added_ND_).copy_(middle_ND - piece.input_ND);
    heads_NK_ = neurons_NK_ = at::Tensor();
  }

  void report(int64_t layer, Half half) {
    const bool mlp = half == Half::kMlp;
    std::optional<NextSums>& next = mlp ? sums_->behind_neurons : sums_->behind_heads;
    std::optional<SecondMoment>& inputs = mlp ? sums_->neurons : sums_->heads;
    std::optional<SecondMoment>& gradients = mlp ? sums_->behind_mlp : sums_->behind_attention;
    if (!inputs) return;
    const int64_t tokens = samples_.tokens();
    HalfLayerMoments moments{.layer = layer,
                             .half = half,
                             .gram_KK = inputs->mean(tokens),
                             .gradients_DD = {},
                             .tokens = tokens};
    if (next) {
      moments.next_DK = next->cross_DK.div_(static_cast<double>(tokens));
      moments.next_DD = next->added.mean(tokens);
      next.reset();
    }
    inputs.reset();
    if (gradients) moments.gradients_DD = gradients->mean(tokens);
    gradients.reset();
    check_finite(moments);
    visit_(moments);
  }

  // A non-finite value of a token makes its diagonal element non-finite too.
  void check_finite(const HalfLayerMoments& moments) const {
    const auto is_finite = [](const at::Tensor& moment) {
      return !moment.defined() || at::isfinite(moment.diagonal()).all().item<bool>();
    };
    const bool inputs = is_finite(moments.gram_KK);
    if (inputs && is_finite(moments.gradients_DD)) return;
    throw bad_input("{} of layer {}'s {} are not finite", inputs ? "gradients" : "activations",
                    moments.layer, moments.half == Half::kMlp ? "MLP" : "attention")
        .where("model", model_.checkpoint().folder().string())
        .hint(
            "the weights may hold NaN or infinity, or the compute dtype overflows: try --dtype "
            "float32");
  }

  const Model& model_;
  const Compute& compute_;
  const TokenSamples samples_;
  const std::filesystem::path scratch_;
  const std::function<void(const HalfLayerMoments&)>& visit_;
  Progress& progress_;
  const MomentsOptions options_;
  std::optional<LayerSums> sums_;     // of the current layer
  at::Tensor heads_NK_, neurons_NK_;  // of the current piece, for look_ahead
  at::Tensor next_ND_;                // addition of the half layer after this layer
  at::Tensor first_added_ND_;         // addition of this layer's first half
};

}  // namespace

void walk_half_layer_moments(const Model& model, const Compute& compute,
                             const TokenSamples& samples, const std::filesystem::path& scratch,
                             const std::function<void(const HalfLayerMoments&)>& visit,
                             Progress& progress, const MomentsOptions& options) {
  const c10::NoGradGuard no_grad;
  MomentsWalk walk(model, compute, with_targets(samples), scratch, visit, progress, options);
  options.gradients ? walk.run_both_ways() : walk.run_forward();
}

}  // namespace mop
