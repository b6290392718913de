// stats/half_layer_moments.cc
#include "stats/half_layer_moments.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <optional>

#include "base/error.h"
#include "model/forward.h"
#include "stats/backward_walk.h"
#include "stats/packed_samples.h"
#include "stats/second_moment.h"

namespace mop {
namespace {

// The sums of one layer's halves.
struct LayerSums {
  std::optional<SecondMoment> heads, behind_attention, neurons, behind_mlp;

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
       const std::function<void(const HalfLayerMoments&)>& visit, Progress& progress,
       const MomentsOptions& options)
      : model_(model),
        compute_(compute),
        samples_(samples),
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
      return [this, layer](Site site, const at::Tensor& value) { look(layer, site, value); };
    };
    options.after_layer = [&](int64_t layer) {
      hand_on(layer, Half::kAttention);
      hand_on(layer, Half::kMlp);
      sums_.reset();
      progress_.advance(layer + 1);
    };
    run_layers(weights, packed.ids_N, packed.packing, options);
    progress_.end();
  }

  void run_both_ways(const std::filesystem::path& scratch) {
    BackwardVisitor visitor;
    visitor.sites = {Site::kAttentionOutput};
    visitor.look = [&](int64_t layer, Site site, const at::Tensor& value) {
      look(layer, site, value);
    };
    visitor.visit = [&](const BackwardPiece& piece) {
      if (sums_->behind_mlp) sums_->behind_mlp->add(piece.gradient_ND);
      if (!sums_->behind_attention) return;
      const auto behind = piece.sites.find(Site::kAttentionOutput);
      // Without an MLP attention's output is the layer's.
      sums_->behind_attention->add(sums_->neurons ? behind->second.gradient : piece.gradient_ND);
    };
    visitor.after_layer = [&](int64_t layer) {
      hand_on(layer, Half::kMlp);
      hand_on(layer, Half::kAttention);
      sums_.reset();
    };
    walk_backward(model_, compute_, samples_, scratch, visitor, progress_, options_.piece_tokens);
  }

 private:
  void look(int64_t layer, Site site, const at::Tensor& value) {
    const ModelConfig& config = model_.config();
    if (!sums_) {
      sums_.emplace(config, config.layers[static_cast<size_t>(layer)], compute_.device,
                    options_.gradients);
    }
    if (site == Site::kHeadOutput) sums_->heads->add(value);
    if (site == Site::kNeuron) sums_->neurons->add(value);
  }

  void hand_on(int64_t layer, Half half) {
    const bool mlp = half == Half::kMlp;
    std::optional<SecondMoment>& inputs = mlp ? sums_->neurons : sums_->heads;
    std::optional<SecondMoment>& gradients = mlp ? sums_->behind_mlp : sums_->behind_attention;
    if (!inputs) return;
    const int64_t tokens = samples_.tokens();
    HalfLayerMoments moments{layer, half, inputs->mean(tokens), {}, tokens};
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
        .where("model", model_.checkpoint().folder().string())
        .hint(
            "the weights may hold NaN or infinity, or the compute dtype overflows: try --dtype "
            "float32");
  }

  const Model& model_;
  const Compute& compute_;
  const TokenSamples samples_;
  const std::function<void(const HalfLayerMoments&)>& visit_;
  Progress& progress_;
  const MomentsOptions options_;
  std::optional<LayerSums> sums_;  // of the layer at hand
};

}  // namespace

void walk_half_layer_moments(const Model& model, const Compute& compute,
                             const TokenSamples& samples, const std::filesystem::path& scratch,
                             const std::function<void(const HalfLayerMoments&)>& visit,
                             Progress& progress, const MomentsOptions& options) {
  const c10::NoGradGuard no_grad;
  Walk walk(model, compute, with_targets(samples), visit, progress, options);
  options.gradients ? walk.run_both_ways(scratch) : walk.run_forward();
}

}  // namespace mop
