// collectives/nccl_group.h -- tensors on GPUs meet there, by NCCL, without a way through the CPU.
#pragma once
#include <c10/core/Device.h>

#include <chrono>
#include <memory>
#include <string>

#include "collectives/collectives.h"

namespace mop {

/// The same ranks, whose tensors on `kind` of devices are added up and copied by the library
/// `library` (both are for tests) once `meet_on` found that every rank computes on such a device,
/// has the library, was built with its headers, and MOP_NCCL is not 0. It needs a GPU of its own
/// for every rank. All else goes on through `control`, which also notices a rank that has ended
/// before a device waits for it; one that ends while the devices exchange may be noticed by the
/// timeout alone. Calls throw Error(kIo) with NCCL's reason.
std::shared_ptr<Collectives> with_nccl(std::shared_ptr<Collectives> control,
                                       std::chrono::seconds timeout,
                                       const std::string& library = "libnccl.so.2",
                                       c10::DeviceType kind = c10::kCUDA);

}  // namespace mop
