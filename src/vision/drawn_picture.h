// vision/drawn_picture.h -- a picture to try a model with, drawn by a program.
#pragma once
#include "vision/picture.h"

namespace mop {

/// Of two colour ramps and a bright square: no two patches of a tower are equal.
Picture drawn_picture(int64_t width, int64_t height);

}  // namespace mop
