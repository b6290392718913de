// run/runtime.cc
#include "run/runtime.h"

#include <ATen/Parallel.h>
#include <malloc.h>

#include <fstream>

#include "base/error.h"
#include "tensor/device.h"

// From the allocator mimalloc, if the program is linked with it.
extern "C" __attribute__((weak)) void mi_collect(bool force);

namespace mop {

void set_threads(int64_t threads) {
  if (threads < 0) throw usage_error("--threads must be at least 1, got {}", threads);
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

int64_t threads_in_use() { return at::get_num_threads(); }

Compute open_compute(const std::string& device, const std::string& dtype) {
  const std::string name = !dtype.empty() ? dtype : device == "cpu" ? "float32" : "bfloat16";
  Compute compute{dtype_from_name(name), open_device(device)};
  if (compute.dtype != at::kFloat && compute.dtype != at::kBFloat16) {
    throw usage_error("cannot compute in {}", name).hint("known: float32, bfloat16");
  }
  if (!compute.device.is_cpu()) {
    compute.store =
        std::make_shared<DeviceStore>(compute.device, compute.dtype, store_budget(compute.device));
  }
  return compute;
}

void release_memory() {
  if (mi_collect != nullptr) {
    mi_collect(true);
  } else {
    ::malloc_trim(0);
  }
}

}  // namespace mop
