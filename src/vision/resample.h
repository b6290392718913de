// vision/resample.h -- pictures of another size, bit for bit as Image.resize of Pillow 13 makes
// them (older ones differ by a few levels where the height shrinks most).
#pragma once
#include <cstdint>
#include <string_view>

#include "vision/picture.h"

namespace mop {

/// A filter of PIL.Image.Resampling.
struct Resampling {
  int64_t number;         ///< as the configs of image processors spell it
  std::string_view name;  ///< "bicubic"
  double support;         ///< how far it reaches, in pixels of the coarser picture
  double (*weight)(double distance);
};

/// Throws Error(kBadInput) listing the known ones; nearest (0) is not among them.
const Resampling& find_resampling(int64_t number);

/// `picture` in another size, in a pass across and a pass down, each rounded to 8 bits. Sizes are
/// at least 1; throws Error(kBadInput) when a pass makes more than kMostPixels.
Picture resize(const Picture& picture, int64_t width, int64_t height, const Resampling& resampling);

}  // namespace mop
