// jobs/tower_losses.cc
#include "jobs/tower_losses.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/error.h"
#include "gradient/output_loss.h"
#include "model/composite.h"
#include "stats/backward_walk.h"
#include "stats/packed_samples.h"
#include "tensor/mapped_file.h"
#include "vision/image_encoder.h"

namespace mop {
namespace {

// Complete samples, whose ids refer to the batch's own images, and the images' hidden states before
// the current layer.
struct PictureBatch {
  PackedSamples packed;
  NextTokens next;
  int64_t predicted;
  at::Tensor hidden_BTD;
};

class TowerWalk final : public LayerLosses {
 public:
  TowerWalk(const Model& model, const Compute& compute, const Pictures& pictures)
      : compute_(compute), pictures_(pictures), encoder_(model), words_(model, compute) {}

  void add_batch(TokenSamples samples) {
    const int64_t vocab = config().vocab, rows = pictures_.rows_per_image();
    const std::vector<int64_t> shown = pictures_.numbers_in(samples.ids);
    for (auto& ids : samples.ids) {
      for (int64_t& id : ids) {
        if (id < vocab) continue;
        const int64_t number = (id - vocab) / rows;
        id += (std::ranges::lower_bound(shown, number) - shown.begin() - number) * rows;
      }
    }
    const PackedSamples packed = pack(samples, !compute_.device.is_cpu());
    NextTokens next(packed, vocab);
    const int64_t predicted = next.weights_N.count_nonzero().item<int64_t>();
    if (predicted == 0) return;
    std::vector<at::Tensor> hidden;
    for (const int64_t number : shown)
      hidden.push_back(tower().embed(encoder_.pixels(pictures_.picture(number)), compute_));
    batches_.push_back({packed, std::move(next), predicted, at::cat(hidden)});
  }

  void run(const std::function<void(int64_t, LayerLosses&)>& visit, Progress& progress) {
    const int64_t layers = std::ssize(config().composite->tower.layers);
    for (layer_ = 0; layer_ < layers; ++layer_) {
      check_stop();
      weights_ = tower().weights(layer_, compute_);
      visit(layer_, *this);
      for (const PictureBatch& batch : batches_) {
        if (!tower().has_one_state()) break;  // every pass starts at the first layer
        tower().advance(layer_, batch.hidden_BTD, ImageEncoder::kPiece, compute_);
      }
      check_mappings();
      progress.advance(layer_ + 1);
    }
  }

  const LayerWeights& weights() const override { return weights_; }
  int64_t batches() const override { return std::ssize(batches_); }
  int64_t predicted(int64_t batch) const override { return at(batch).predicted; }

  double loss(int64_t index, const LayerWeights& weights, const LayerMask* mask) override {
    const PictureBatch& batch = at(index);
    check_stop();
    TowerPass pass;
    pass.first = tower().has_one_state() ? layer_ : 0;
    pass.weights = [&](int64_t layer) { return layer == layer_ ? &weights : nullptr; };
    pass.mask = [&](int64_t layer) { return layer == layer_ ? mask : nullptr; };
    const at::Tensor features_BTD =
        tower().features(batch.hidden_BTD.clone(), ImageEncoder::kPiece, compute_, pass);
    GlobalWeights embedding = words_.embedding();
    embedding.rows_PD = at::empty(
        {batch.hidden_BTD.size(0) * encoder_.rows_per_image(), encoder_.width()}, at::kFloat);
    encoder_.project(features_BTD, embedding.rows_PD, compute_);
    at::Tensor hidden_ND = embed(embedding, batch.packed.ids_N, compute_);
    hidden_ND = run_layer_range(words_, std::move(hidden_ND), batch.packed.packing, 0,
                                words_.model().num_layers());
    return finite_mean_loss(words_, hidden_ND, batch.next,
                            fmt::format("layer {} of the vision tower", layer_));
  }

 private:
  const ModelConfig& config() const { return words_.model().config(); }
  const ClipTower& tower() const { return encoder_.tower(); }
  const PictureBatch& at(int64_t batch) const { return batches_[static_cast<size_t>(batch)]; }

  Compute compute_;
  const Pictures& pictures_;
  ImageEncoder encoder_;
  WeightLoader words_;
  std::vector<PictureBatch> batches_;
  int64_t layer_ = 0;
  LayerWeights weights_;
};

}  // namespace

void walk_tower_losses(const Model& model, const Compute& compute, const TokenSamples& samples,
                       const Pictures& pictures, int64_t batch_samples,
                       const std::function<void(int64_t, LayerLosses&)>& visit,
                       Progress& progress) {
  const c10::NoGradGuard no_grad;
  TokenSamples seeing = with_targets(samples);
  std::erase_if(seeing.ids, [&](const auto& ids) {
    return pictures.numbers_in({&ids, 1}).empty();
  });
  TowerWalk walk(model, compute, pictures);
  for (int64_t first = 0; first < std::ssize(seeing.ids); first += batch_samples) {
    const int64_t last = std::min(first + batch_samples, std::ssize(seeing.ids));
    walk.add_batch({{seeing.ids.begin() + first, seeing.ids.begin() + last}, {}});
  }
  if (walk.batches() == 0) {
    throw bad_input("no calibration sample has an image followed by text")
        .hint("a vision tower is measured by the loss of texts about images");
  }
  progress.begin("measuring losses of changed tower layers",
                 std::ssize(model.config().composite->tower.layers));
  walk.run(visit, progress);
  progress.end();
}

}  // namespace mop
