// tensor/tiles.cc
#include "tensor/tiles.h"

#include <ATen/cpu/Utils.h>

namespace mop::tiles {

bool available() {
#ifdef MOP_BFLOAT16_LANES
  static const bool kAvailable = bfloat16::available() && at::cpu::init_amx();
  return kAvailable;
#else
  return false;
#endif
}

}  // namespace mop::tiles
