// vision/clip_tower.h -- CLIP's vision transformer (arXiv 2103.00020): pixels -> features of
// patches. B pictures, T = 1 + patches rows of each (the first is the class token's), D features.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "model/forward.h"
#include "model/model.h"
#include "model/vision_config.h"
#include "model/weights.h"

namespace mop {

/// What of a pass through the tower is looked at, or otherwise than the tower is. All may be null.
struct TowerPass {
  int64_t first = 0;  ///< layer that the hidden states enter; above 0 with one state alone
  /// Weights of a layer, and units of it that are masked, instead of its own; null for its own.
  std::function<const LayerWeights*(int64_t layer)> weights = nullptr;
  std::function<const LayerMask*(int64_t layer)> mask = nullptr;
  /// Told of kLayerInput, kHeadOutput, kNeuron and kLayerOutput of so many pictures' rows.
  std::function<void(int64_t layer, Site site, const at::Tensor& value_NX)> tap = nullptr;
};

class ClipTower {
 public:
  /// Of the tower of `model`, which has one (Model::tower), cut or not.
  explicit ClipTower(const Model& model);
  const VisionConfig& config() const { return config_; }
  /// Whether the features are one hidden state: a pass may then begin at any layer.
  bool has_one_state() const { return states_.size() == 1; }

  /// What enters the first layer, [B, T, D], in the compute dtype on its device, from pixels [B, 3,
  /// image, image], float32, CPU.
  at::Tensor embed(const at::Tensor& pixels_B3HW, const Compute& compute) const;
  /// [B, T, D * states]: the states side by side, in the order of the projector's config.
  /// `hidden_BTD` is overwritten. Layers beyond those of the states are not computed; the others
  /// are run in turn, each on at most `piece` pictures at a time.
  at::Tensor features(const at::Tensor& hidden_BTD, int64_t piece, const Compute& compute,
                      const TowerPass& pass = {}) const;
  /// The heads' and neurons' tensors of a layer, in the compute dtype on its device.
  LayerWeights weights(int64_t layer, const Compute& compute) const;
  /// `hidden_BTD` through one layer as it is, in place.
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
