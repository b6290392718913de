// vision/clip_tower.h -- CLIP's vision transformer (arXiv 2103.00020): pixels -> features of
// patches. B pictures, T = 1 + patches rows of each (the first is the class token's), D features.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/vision_config.h"
#include "model/weights.h"

namespace mop {

class ClipTower {
 public:
  /// `states`: whose hidden states the features are, from 0 (what enters the first layer) to
  /// config.layers. The checkpoint holds the tower's tensors.
  ClipTower(std::shared_ptr<const Checkpoint> checkpoint, VisionConfig config,
            std::vector<int64_t> states);
  const VisionConfig& config() const { return config_; }

  /// What enters the first layer, [B, T, D], in the compute dtype on its device, from pixels [B, 3,
  /// image, image], float32, CPU.
  at::Tensor embed(const at::Tensor& pixels_B3HW, const Compute& compute) const;
  /// [B, T, D * states]: the states side by side, in the order asked for. `hidden_BTD` is
  /// overwritten. Layers beyond those of the states are not computed; the others are run in turn,
  /// each on at most `piece` pictures at a time.
  at::Tensor features(const at::Tensor& hidden_BTD, int64_t piece, const Compute& compute) const;

 private:
  struct Layer;
  Layer load_layer(int64_t index, const Compute& compute) const;
  void run_layer(const Layer& layer, const at::Tensor& hidden_BTD) const;
  at::Tensor attention(const Layer& layer, const at::Tensor& normed_BTD) const;

  std::shared_ptr<const Checkpoint> checkpoint_;
  VisionConfig config_;
  std::vector<int64_t> states_;
};

}  // namespace mop
