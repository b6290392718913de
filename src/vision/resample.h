// vision/resample.h -- resizes images, bitwise equal to Image.resize of Pillow 13 (older versions
// differ by a few levels for large vertical reductions).
#pragma once
#include <cstdint>
#include <string_view>

#include "vision/picture.h"

namespace mop {

/// A filter of PIL.Image.Resampling.
struct Resampling {
  int64_t number;         ///< value in image processor configs
  std::string_view name;  ///< "bicubic"
  double support;         ///< radius in pixels of the coarser image
  double (*weight)(double distance);
};

/// Throws Error(kBadInput) listing the known filters; nearest (0) is not supported.
const Resampling& find_resampling(int64_t number);

/// Resizes `picture` in a horizontal and a vertical pass, each rounded to 8 bits. Sizes must be at
/// least 1; throws Error(kBadInput) if a pass would give more than kMostPixels pixels.
Picture resize(const Picture& picture, int64_t width, int64_t height, const Resampling& resampling);

}  // namespace mop
