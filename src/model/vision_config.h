// model/vision_config.h -- configuration of a CLIP vision tower and its projector.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"

namespace mop {

/// Our own keys in the `vision_config` of a pruned tower: one number per layer.
inline constexpr const char* kHeadsPerLayer = "num_attention_heads_per_layer";
inline constexpr const char* kMlpPerLayer = "intermediate_size_per_layer";

/// A CLIP vision transformer as described by `vision_config`; missing keys have the defaults of
/// transformers' CLIPVisionConfig.
struct VisionConfig {
  int64_t hidden = 768;
  int64_t mlp = 3072;  ///< MLP neurons, unless `shapes` differs
  int64_t layers = 12;
  int64_t heads = 12;  ///< the same; hidden is a multiple of it
  int64_t channels = 3;
  int64_t image = 224;  ///< side of an image, pixels
  int64_t patch = 32;   ///< side of a patch, pixels
  double norm_eps = 1e-5;
  std::string activation = "quick_gelu";
  /// Heads (each its own KV head) and MLP neurons of each layer.
  std::vector<LayerShape> shapes = {};

  /// Number of patches per image.
  int64_t patches() const { return (image / patch) * (image / patch); }
};

/// How features of the tower become rows of the language model's input.
struct ProjectorConfig {
  std::vector<int64_t> feature_layers = {
      -2};                   ///< hidden states that are used; negative = from the end
  bool keeps_class = false;  ///< vision_feature_select_strategy "full"
  std::string activation = "gelu";
  bool bias = true;
};

/// Reads the section `vision_config` of the complete config. Throws Error(kBadInput) for a tower
/// other than CLIP, a missing or implausible size, an unknown activation, or a per-layer list that
/// does not match the layers.
VisionConfig read_vision_config(const Json& whole, const std::string& where);
/// Reads the projector's settings of LLaVA's config. Throws Error(kBadInput) for a layer that the
/// tower does not have, or an unsupported strategy or activation.
ProjectorConfig read_projector_config(const Json& whole, const VisionConfig& vision,
                                      const std::string& where);

/// Returns the number of rows of one image of the tower's size.
int64_t rows_of_image(const VisionConfig& vision, const ProjectorConfig& projector);

}  // namespace mop
