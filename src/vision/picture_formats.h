// vision/picture_formats.h -- the decoders behind vision/picture.h, one for each format.
#pragma once
#include <string_view>

#include "vision/picture.h"

namespace mop {

/// Of bytes that begin with the format's signature. Throw Error(kBadInput).
Picture decode_png(std::string_view bytes);
Picture decode_jpeg(std::string_view bytes);

/// Throws Error(kBadInput) when they are more than kMostPixels.
void check_pixels(int64_t width, int64_t height);
/// A picture of that size with room for its pixels. Throws Error(kBadInput) when they are too many,
/// or more than `most_pixels`, which is what the file's bytes can hold at all: a header of a few
/// bytes must not make us allocate what its picture would need.
Picture allocate_picture(std::string_view format, int64_t width, int64_t height,
                         int64_t most_pixels);

}  // namespace mop
