// model/vision_config.h -- the sizes of what sees: a CLIP vision tower and the projector behind it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace mop {

/// A CLIP vision transformer, as `vision_config` gives it; what a file leaves out has the value of
/// transformers' CLIPVisionConfig.
struct VisionConfig {
  int64_t hidden = 768;
  int64_t mlp = 3072;
  int64_t layers = 12;
  int64_t heads = 12;
  int64_t channels = 3;
  int64_t image = 224;  ///< pixels of a side
  int64_t patch = 32;   ///< pixels of a patch's side
  double norm_eps = 1e-5;
  std::string activation = "quick_gelu";

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
/// than CLIP's, a size that is missing or makes no sense, an activation that is not known.
VisionConfig read_vision_config(const Json& whole, const std::string& where);
/// Reads what LLaVA's config says of its projector. Throws Error(kBadInput) for a layer that the
/// tower does not have, another strategy or activation.
ProjectorConfig read_projector_config(const Json& whole, const VisionConfig& vision,
                                      const std::string& where);

/// Rows that one picture of the tower's size becomes.
int64_t rows_of_image(const VisionConfig& vision, const ProjectorConfig& projector);

}  // namespace mop
