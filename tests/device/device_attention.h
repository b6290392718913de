// device/device_attention.h -- scaled dot-product attention as one operation of the opaque device.
#pragma once
#include <torch/library.h>

namespace mop::testing::opaque {

/// Registers the operation, its gradient and LibTorch's choice of it; dropout is refused.
void register_attention(torch::Library& library);

}  // namespace mop::testing::opaque
