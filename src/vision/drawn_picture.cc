// vision/drawn_picture.cc
#include "vision/drawn_picture.h"

namespace mop {

Picture drawn_picture(int64_t width, int64_t height) {
  Picture picture{width, height};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const bool square = x > width / 2 && 3 * x < 2 * width && y > height / 4 && 2 * y < height;
      picture.rgb_HW3.push_back(static_cast<uint8_t>(square ? 250 : 255 * x / width));
      picture.rgb_HW3.push_back(static_cast<uint8_t>(255 * y / height));
      const int64_t blue = 255 * (x + y) / (width + height);
      picture.rgb_HW3.push_back(static_cast<uint8_t>(square ? 20 : blue));
    }
  }
  return picture;
}

}  // namespace mop
