// vision/image_processor.cc
#include "vision/image_processor.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <utility>

#include "vision/picture_formats.h"

namespace mop {
namespace {

using Size = ImageProcessorConfig::Size;

// Centres `picture` in a square; an odd margin is larger below or right.
Picture padded_to_square(const Picture& picture, const std::array<double, 3>& mean) {
  const int64_t side = std::max(picture.width, picture.height);
  if (picture.width == picture.height) return picture;
  Picture square = allocate_picture("square", side, side, kMostPixels);
  for (size_t i = 0; i < square.rgb_HW3.size(); ++i)
    square.rgb_HW3[i] = static_cast<uint8_t>(std::clamp(mean[i % 3] * 255, 0.0, 255.0));
  const int64_t top = (side - picture.height) / 2, left = (side - picture.width) / 2;
  for (int64_t y = 0; y < picture.height; ++y) {
    std::copy_n(picture.rgb_HW3.begin() + y * picture.width * 3, picture.width * 3,
                square.rgb_HW3.begin() + ((top + y) * side + left) * 3);
  }
  return square;
}

// Division rounding down, as in Python.
int64_t half_down(int64_t value) { return value >= 0 ? value / 2 : -((1 - value) / 2); }

// Offset of a crop in the image; negative for a smaller image.
int64_t crop_begin(int64_t picture, int64_t crop) { return half_down(picture - crop); }

}  // namespace

ImageProcessor::ImageProcessor(ImageProcessorConfig config)
    : config_(std::move(config)), resampling_(&find_resampling(config_.resample)) {
  for (size_t colour = 0; colour < 3; ++colour) {
    const auto mean = static_cast<float>(config_.mean[colour]);
    const auto deviation = static_cast<float>(config_.deviation[colour]);
    for (size_t byte = 0; byte < 256; ++byte) {
      auto value = static_cast<float>(byte);
      if (config_.rescale)
        value = static_cast<float>(static_cast<double>(byte) * config_.rescale_factor);
      if (config_.normalize) value = (value - mean) / deviation;
      value_of_byte_[colour][byte] = value;
    }
  }
}

std::optional<Size> ImageProcessor::tile_size() const {
  if (config_.crop) return config_.crop_size;
  if (config_.resize && !config_.shortest_edge) return config_.size;
  return std::nullopt;
}

Picture ImageProcessor::resized(const Picture& picture) const {
  if (!config_.resize) return picture;
  Size size = config_.size;
  if (config_.shortest_edge) {
    const int64_t edge = *config_.shortest_edge;
    const auto [shorter, longer] = std::minmax(picture.width, picture.height);
    const auto other =
        static_cast<int64_t>(static_cast<double>(edge * longer) / static_cast<double>(shorter));
    size = picture.width <= picture.height ? Size{other, edge} : Size{edge, other};
  }
  return mop::resize(picture, size.width, size.height, *resampling_);
}

at::Tensor ImageProcessor::pixels(const Picture& picture) const {
  const Picture whole =
      resized(config_.pad_to_square ? padded_to_square(picture, config_.mean) : Picture(picture));
  const Size size = config_.crop ? config_.crop_size : Size{whole.height, whole.width};
  const int64_t top = crop_begin(whole.height, size.height);
  const int64_t left = crop_begin(whole.width, size.width);
  at::Tensor pixels_T3HW = at::empty({1, 3, size.height, size.width}, at::kFloat);
  float* to = pixels_T3HW.mutable_data_ptr<float>();
  for (size_t colour = 0; colour < 3; ++colour) {
    const std::array<float, 256>& value = value_of_byte_[colour];
    for (int64_t y = top; y < top + size.height; ++y) {
      const bool row_inside = y >= 0 && y < whole.height;
      for (int64_t x = left; x < left + size.width; ++x, ++to) {
        const bool inside = row_inside && x >= 0 && x < whole.width;
        *to = value[inside ? whole.rgb_HW3[static_cast<size_t>((y * whole.width + x) * 3) + colour]
                           : 0];
      }
    }
  }
  return pixels_T3HW;
}

}  // namespace mop
