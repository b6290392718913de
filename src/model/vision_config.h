// model/vision_config.h -- the sizes of what sees: a CLIP vision tower and the projector behind it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"

namespace mop {

/// Keys of ours in the `vision_config` of a pruned tower: a number for each layer.
inline constexpr const char* kHeadsPerLayer = "num_attention_heads_per_layer";
inline constexpr const char* kMlpPerLayer = "intermediate_size_per_layer";

/// A CLIP vision transformer, as `vision_config` gives it; what a file leaves out has the value of
/// transformers' CLIPVisionConfig.
struct VisionConfig {
  int64_t hidden = 768;
  int64_t mlp = 3072;  ///< of a layer that is not in `shapes` with another width
  int64_t layers = 12;
  int64_t heads = 12;  ///< the same; hidden is so many heads' width
  int64_t channels = 3;
  int64_t image = 224;  ///< pixels of a side
  int64_t patch = 32;   ///< pixels of a patch's side
  double norm_eps = 1e-5;
  std::string activation = "quick_gelu";
  /// What each layer has: heads, which are their own KV heads, and MLP neurons.
  std::vector<LayerShape> shapes = {};

  /// Patches of an image.
  int64_t patches() const { return (image / patch) * (image / patch); }
};

/// How features become rows that stand where words stand.
struct ProjectorConfig {
  std::vector<int64_t> feature_layers = {-2};  ///< hidden states; below 0 from the end
  bool keeps_class = false;                    ///< vision_feature_select_strategy "full"
  std::string activation = "gelu";
  bool bias = true;
};

/// Reads the section `vision_config` of the whole config. Throws Error(kBadInput): another tower
/// than CLIP's, a size that is missing or makes no sense, an activation that is not known, a list
/// of ours that does not fit the layers.
VisionConfig read_vision_config(const Json& whole, const std::string& where);
/// Reads what LLaVA's config says of its projector. Throws Error(kBadInput) for a layer that the
/// tower does not have, another strategy or activation.
ProjectorConfig read_projector_config(const Json& whole, const VisionConfig& vision,
                                      const std::string& where);

/// Rows that one picture of the tower's size becomes.
int64_t rows_of_image(const VisionConfig& vision, const ProjectorConfig& projector);

}  // namespace mop
