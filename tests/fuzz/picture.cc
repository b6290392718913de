// A picture, in a size that a tower would read.
#include "fuzz/target.h"
#include "vision/resample.h"

using namespace mop;

MOP_FUZZ(bytes) {
  const Picture picture = decode_picture(bytes);
  if (picture.rgb_HW3.size() != static_cast<size_t>(picture.width * picture.height * 3))
    std::abort();
  if (picture.width * picture.height < 1 << 20) resize(picture, 9, 7, find_resampling(3));
}
