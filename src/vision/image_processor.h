// vision/image_processor.h -- from a picture to what a vision tower reads, as transformers'
// CLIPImageProcessor and LlavaImageProcessor do it with Pillow.
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
  bool pad_to_square = false;  ///< around the picture, in the mean colour, before all else
  bool resize = true;
  std::optional<int64_t> shortest_edge = 224;  ///< resize keeps the aspect; or
  Size size = {0, 0};                          ///< resize to this
  int64_t resample = 3;                        ///< a filter of find_resampling()
  bool crop = true;
  Size crop_size = {224, 224};  ///< cut from the middle; zeros around a smaller picture
  bool rescale = true;
  double rescale_factor = 1.0 / 255;
  bool normalize = true;
  std::array<double, 3> mean = {0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> deviation = {0.26862954, 0.26130258, 0.27577711};
  std::vector<std::string> notes = {};  ///< what a user should know of the file

  bool operator==(const ImageProcessorConfig&) const = default;
};

/// From the JSON of an image processor; `where` names it in errors. Throws Error(kBadInput) for
/// processors of other classes (tiles of LLaVA-NeXT among them) and settings that are not followed.
ImageProcessorConfig parse_image_processor(const Json& raw, const std::string& where);
/// That of a model's folder: the section `image_processor` of processor_config.json, where there is
/// one, else preprocessor_config.json. Throws Error(kBadInput) where there is neither.
ImageProcessorConfig read_image_processor(const std::filesystem::path& folder);

class ImageProcessor {
 public:
  explicit ImageProcessor(ImageProcessorConfig config);
  const ImageProcessorConfig& config() const { return config_; }

  /// The tiles of a picture, each as a tower reads it: [tiles, 3, height, width], float32, CPU. One
  /// tile, the whole picture.
  at::Tensor pixels(const Picture& picture) const;
  /// Height and width of the tiles where they are the same for all pictures.
  std::optional<ImageProcessorConfig::Size> tile_size() const;

 private:
  Picture resized(const Picture& picture) const;

  ImageProcessorConfig config_;
  const Resampling* resampling_;
  // Rescaling and normalising see a byte and its colour alone.
  std::array<std::array<float, 256>, 3> value_of_byte_;
};

}  // namespace mop
