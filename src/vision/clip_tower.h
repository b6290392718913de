// vision/clip_tower.h -- CLIP's vision transformer (arXiv 2103.00020): pixels -> patch features.
// Shape letters: B images, T = 1 + patches rows per image (the first is the class token), D
// features.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "model/forward.h"
#include "model/model.h"
#include "model/vision_config.h"
#include "model/weights.h"

namespace mop {

/// Options of a pass through the tower: changes and observers. All may be null.
struct TowerPass {
  int64_t first = 0;  ///< first layer to run; above 0 only with one state
  /// Replacement weights of a layer, and a mask of its units; null = unchanged.
  std::function<const LayerWeights*(int64_t layer)> weights = nullptr;
  std::function<const LayerMask*(int64_t layer)> mask = nullptr;
  /// Called with kLayerInput, kHeadOutput, kNeuron and kLayerOutput activations of each piece.
  std::function<void(int64_t layer, Site site, const at::Tensor& value_NX)> tap = nullptr;
};

class ClipTower {
 public:
  /// The model must have a tower (Model::tower), pruned or not.
  explicit ClipTower(const Model& model);
  const VisionConfig& config() const { return config_; }
  /// Whether the features are a single hidden state, so that a pass can start at any layer.
  bool has_one_state() const { return states_.size() == 1; }

  /// Computes the input of the first layer, [B, T, D], in the compute dtype on its device, from
  /// pixels [B, 3, image, image], float32, CPU.
  at::Tensor embed(const at::Tensor& pixels_B3HW, const Compute& compute) const;
  /// Returns [B, T, D * states]: the hidden states concatenated in the order of the projector's
  /// config. Overwrites `hidden_BTD`. Runs the layers up to the last state one after the other,
  /// with at most `piece` images at a time.
  at::Tensor features(const at::Tensor& hidden_BTD, int64_t piece, const Compute& compute,
                      const TowerPass& pass = {}) const;
  /// Returns the prunable tensors of a layer, in the compute dtype on its device.
  LayerWeights weights(int64_t layer, const Compute& compute) const;
  /// Runs one layer on `hidden_BTD`, in place.
  void advance(int64_t layer, const at::Tensor& hidden_BTD, int64_t piece,
               const Compute& compute) const;

 private:
  struct Layer;
  Layer load_layer(int64_t index, const Compute& compute, const LayerWeights* instead) const;
  void run_layer(const Layer& layer, const at::Tensor& hidden_BTD, int64_t index,
                 const TowerPass& pass) const;

  Model model_, tower_;
  VisionConfig config_;
  std::vector<int64_t> states_;
};

}  // namespace mop
