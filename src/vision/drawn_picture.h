// vision/drawn_picture.h -- a synthetic image for testing models.
#pragma once
#include "vision/picture.h"

namespace mop {

/// Returns an image of two colour gradients and a bright square, in which no two patches are equal.
Picture drawn_picture(int64_t width, int64_t height);

}  // namespace mop
