// vision/image_processor.h -- preprocesses an image for a vision tower, as transformers'
// CLIPImageProcessor and LlavaImageProcessor do with Pillow.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "vision/picture.h"
#include "vision/resample.h"

namespace mop {

/// The settings of an image processor; the defaults are those of both classes.
struct ImageProcessorConfig {
  struct Size {
    int64_t height, width;
    bool operator==(const Size&) const = default;
  };
  bool pad_to_square = false;  ///< pad with the mean colour first
  bool resize = true;
  std::optional<int64_t> shortest_edge = 224;  ///< resize keeping the aspect ratio; or
  Size size = {0, 0};                          ///< resize to this
  int64_t resample = 3;                        ///< a filter of find_resampling()
  bool crop = true;
  Size crop_size = {224, 224};  ///< centre crop; smaller images are padded with zeros
  bool rescale = true;
  double rescale_factor = 1.0 / 255;
  bool normalize = true;
  std::array<double, 3> mean = {0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> deviation = {0.26862954, 0.26130258, 0.27577711};
  std::vector<std::string> notes = {};  ///< notices for the user about the file

  bool operator==(const ImageProcessorConfig&) const = default;
};

/// Reads the JSON of an image processor; `where` names it in errors. Throws Error(kBadInput) for
/// other classes (such as LLaVA-NeXT's tiles) and unsupported settings.
ImageProcessorConfig parse_image_processor(const Json& raw, const std::string& where);
/// Reads the section `image_processor` of processor_config.json in a model's folder or, if missing,
/// preprocessor_config.json. Throws Error(kBadInput) if there is neither.
ImageProcessorConfig read_image_processor(const std::filesystem::path& folder);

class ImageProcessor {
 public:
  explicit ImageProcessor(ImageProcessorConfig config);
  const ImageProcessorConfig& config() const { return config_; }

  /// Returns the tiles of an image for the tower: [tiles, 3, height, width], float32, CPU;
  /// currently one tile, the whole image.
  at::Tensor pixels(const Picture& picture) const;
  /// Height and width of the tiles, if equal for all images.
  std::optional<ImageProcessorConfig::Size> tile_size() const;

 private:
  Picture resized(const Picture& picture) const;

  ImageProcessorConfig config_;
  const Resampling* resampling_;
  // Rescaling and normalising depend only on the byte and the channel.
  std::array<std::array<float, 256>, 3> value_of_byte_;
};

}  // namespace mop
