// vision/clip_tower.h -- CLIP's vision transformer (arXiv 2103.00020): pixels -> features of
// patches. B pictures, T = 1 + patches rows of each (the first is the class token's), D features.
#pragma once
#include <ATen/core/Tensor.h>

#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "model/weights.h"
#include "vision/activation.h"
#include "vision/needed_tensors.h"

namespace mop {

/// `vision_config` of a model's config.json.
struct ClipTowerConfig {
  int64_t hidden = 768, mlp = 3072, layers = 12, heads = 12;
  int64_t image_size = 224, patch = 32;  ///< pixels of a side
  double norm_eps = 1e-5;
  const Activation* activation = nullptr;
  std::vector<std::string> notes = {};  ///< what a user should know of the file

  int64_t patches() const { return (image_size / patch) * (image_size / patch); }
};

/// A key that is left out has the default of transformers' CLIPVisionConfig; a config without
/// vision_config that of its LlavaConfig, which is ViT-L/14 at 336 pixels. Throws Error(kBadInput)
/// naming the tower when it is not CLIP's.
ClipTowerConfig parse_clip_tower(const Json& config);

class ClipTower {
 public:
  /// `states`: whose hidden states the features are, from 0 (what enters the first layer) to
  /// config.layers. Throws Error(kBadInput) listing the tensors that are missing or of other shapes.
  /// Layers that no feature needs may be missing.
  ClipTower(std::shared_ptr<const Checkpoint> checkpoint, ClipTowerConfig config,
            std::vector<int64_t> states);
  const ClipTowerConfig& config() const { return config_; }
  /// Width of the features: that of a state for each.
  int64_t width() const { return config_.hidden * std::ssize(states_); }

  /// What enters the first layer, [B, T, D], in the compute dtype on its device, from pixels [B, 3,
  /// image_size, image_size], float32, CPU.
  at::Tensor embed(const at::Tensor& pixels_B3HW, const Compute& compute) const;
  /// [B, T, D * states]: the states side by side, in the order asked for. `hidden_BTD` is
  /// overwritten; layers are run in turn, each on at most `piece` pictures at a time.
  at::Tensor features(const at::Tensor& hidden_BTD, int64_t piece, const Compute& compute) const;

 private:
  struct Layer;
  Layer load_layer(int64_t index, const Compute& compute) const;
  std::vector<NeededTensor> needed() const;
  void run_layer(const Layer& layer, const at::Tensor& hidden_BTD) const;
  at::Tensor attention(const Layer& layer, const at::Tensor& normed_BTD) const;

  std::shared_ptr<const Checkpoint> checkpoint_;
  ClipTowerConfig config_;
  std::vector<int64_t> states_;
  std::string prefix_;  // of the tower's tensors
};

}  // namespace mop
