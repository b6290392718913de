// stats/layer_losses.cc
#include "stats/layer_losses.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"
#include "gradient/output_loss.h"
#include "model/packing_on_device.h"
#include "stats/backward_walk.h"
#include "stats/packed_samples.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

// Complete samples and their hidden states before the layer.
struct LossBatch {
  PackedSamples packed;
  NextTokens next;
  int64_t predicted;
  at::Tensor cos_NE, sin_NE, hidden_ND;
  std::shared_ptr<PackingOnDevice> on_device;
};

class LossWalk final : public LayerLosses {
 public:
  LossWalk(const Model& model, const Compute& compute)
      : here_(model, compute, WeightLoader::Keep::kOne), behind_(model, compute) {}

  void add_batch(const TokenSamples& samples) {
    const PackedSamples packed = pack(samples, !compute().device.is_cpu());
    NextTokens next(packed, config().vocab);
    const int64_t predicted = next.weights_N.count_nonzero().item<int64_t>();
    if (predicted == 0) return;
    auto [cos_NE, sin_NE] = rotary(config(), packed.packing, compute());
    at::Tensor hidden_ND = embed(behind_.embedding(), packed.ids_N, compute());
    std::shared_ptr<PackingOnDevice> on_device;
    if (!compute().device.is_cpu()) {
      on_device = std::make_shared<PackingOnDevice>(packed.packing, compute().device);
    }
    batches_.push_back({packed, std::move(next), predicted, std::move(cos_NE), std::move(sin_NE),
                        std::move(hidden_ND), std::move(on_device)});
  }

  void run(const std::function<void(int64_t, LayerLosses&)>& visit, Progress& progress) {
    for (layer_ = 0; layer_ < here_.model().num_layers(); ++layer_) {
      check_stop();
      weights_ = &here_.layer(layer_);
      visit(layer_, *this);
      for (LossBatch& batch : batches_) {
        batch.hidden_ND = through_layer(batch, std::move(batch.hidden_ND), *weights_, nullptr);
      }
      check_mappings();
      progress.advance(layer_ + 1);
    }
  }

  const LayerWeights& weights() const override { return *weights_; }
  int64_t batches() const override { return std::ssize(batches_); }
  int64_t predicted(int64_t batch) const override { return at(batch).predicted; }

  double loss(int64_t index, const LayerWeights& weights, const LayerMask* mask) override {
    const LossBatch& batch = at(index);
    at::Tensor hidden_ND = through_layer(batch, batch.hidden_ND.clone(), weights, mask);
    hidden_ND = run_layer_range(behind_, std::move(hidden_ND), batch.packed.packing, layer_ + 1,
                                here_.model().num_layers());
    return finite_mean_loss(behind_, hidden_ND, batch.next, fmt::format("layer {}", layer_));
  }

 private:
  const Compute& compute() const { return here_.compute(); }
  const ModelConfig& config() const { return here_.model().config(); }
  const LossBatch& at(int64_t batch) const { return batches_[static_cast<size_t>(batch)]; }

  at::Tensor through_layer(const LossBatch& batch, at::Tensor hidden_ND,
                           const LayerWeights& weights, const LayerMask* mask) const {
    return decoder_layer(weights, std::move(hidden_ND),
                         {.config = config(),
                          .layer = layer_,
                          .packing = batch.packed.packing,
                          .cos_NE = batch.cos_NE,
                          .sin_NE = batch.sin_NE,
                          .mask = mask,
                          .packed = batch.on_device.get()});
  }

  WeightLoader here_,
      behind_;  // two loaders: the layer's weights stay valid while later layers run
  std::vector<LossBatch> batches_;
  int64_t layer_ = 0;
  const LayerWeights* weights_ = nullptr;
};

}  // namespace

double finite_mean_loss(WeightLoader& weights, const at::Tensor& hidden_ND, const NextTokens& next,
                        const std::string& changed) {
  const OutputLoss sums = output_loss(weights.globals(), weights.model().config(), hidden_ND,
                                      next.ids_N, next.weights_N, /*gradients=*/false);
  const double mean = read_sums({&sums.nll, 1}).front() / static_cast<double>(sums.scored);
  if (std::isfinite(mean)) return mean;
  throw bad_input("the loss is not finite when {} is changed", changed);
}

double LayerLosses::unchanged() {
  if (!unchanged_) unchanged_ = mean_loss(*this, weights());
  return *unchanged_;
}

double mean_loss(LayerLosses& losses, const LayerWeights& weights, const LayerMask* mask) {
  double sum = 0, tokens = 0;
  for (int64_t batch = 0; batch < losses.batches(); ++batch) {
    const auto predicted = static_cast<double>(losses.predicted(batch));
    sum += predicted * losses.loss(batch, weights, mask);
    tokens += predicted;
  }
  return sum / tokens;
}

void walk_layer_losses(const Model& model, const Compute& compute, const TokenSamples& samples,
                       int64_t batch_samples,
                       const std::function<void(int64_t, LayerLosses&)>& visit,
                       Progress& progress) {
  const c10::NoGradGuard no_grad;
  const TokenSamples predicting = with_targets(samples);
  LossWalk walk(model, compute);
  for (int64_t first = 0; first < std::ssize(predicting.ids); first += batch_samples) {
    const int64_t last = std::min(first + batch_samples, std::ssize(predicting.ids));
    walk.add_batch({{predicting.ids.begin() + first, predicting.ids.begin() + last}, {}});
  }
  if (walk.batches() == 0) {
    throw bad_input("no calibration sample has text to predict")
        .hint("samples that contain only images have none");
  }
  progress.begin("measuring losses of changed layers", model.num_layers());
  walk.run(visit, progress);
  progress.end();
}

}  // namespace mop
