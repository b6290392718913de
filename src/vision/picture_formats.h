// vision/picture_formats.h -- the decoders of vision/picture.h, one per format.
#pragma once
#include <string_view>

#include "vision/picture.h"

namespace mop {

/// The bytes must begin with the format's signature. Throw Error(kBadInput).
Picture decode_png(std::string_view bytes);
Picture decode_jpeg(std::string_view bytes);

/// Throws Error(kBadInput) for more than kMostPixels pixels.
void check_pixels(int64_t width, int64_t height);
/// Allocates an image. Throws Error(kBadInput) if it has more than kMostPixels pixels, or more than
/// `most_pixels`, the maximum that the file's bytes can encode: a header of a few bytes must not
/// cause a large allocation.
Picture allocate_picture(std::string_view format, int64_t width, int64_t height,
                         int64_t most_pixels);

}  // namespace mop
