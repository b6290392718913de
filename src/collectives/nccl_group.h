// collectives/nccl_group.h -- exchanges tensors between GPUs by NCCL, without a copy through the
// CPU.
#pragma once
#include <c10/core/Device.h>

#include <chrono>
#include <memory>
#include <string>

#include "collectives/collectives.h"

namespace mop {

/// Returns the ranks of `control`, but tensors on devices of type `kind` are exchanged by the NCCL
/// in `library` (both parameters are for tests). NCCL is used after `meet_on` if every rank
/// computes on its own such device, has the library, was built with its headers, and MOP_NCCL is
/// not 0. Everything else goes through `control`, which also detects a rank that ended before a
/// device waits for it. A rank that ends during a device exchange may be detected by the timeout
/// only. Calls throw Error(kIo) with NCCL's reason.
std::shared_ptr<Collectives> with_nccl(std::shared_ptr<Collectives> control,
                                       std::chrono::seconds timeout,
                                       const std::string& library = "libnccl.so.2",
                                       c10::DeviceType kind = c10::kCUDA);

}  // namespace mop
