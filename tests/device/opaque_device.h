// device/opaque_device.h -- a double of a GPU for machines without one: memory that the host cannot
// touch, operations that take no CPU tensors, a limit of memory, streams whose order is checked,
// and a count of everything that travels. It computes with the CPU's kernels and in order; what it
// cannot show is speed, and the numerics of a GPU's kernels.
#pragma once
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace mop::testing {

/// What went to the device and came back, and what it did.
struct Traffic {
  int64_t uploads = 0, upload_bytes = 0;
  int64_t pageable_bytes = 0;  ///< those of upload_bytes that did not come from pinned memory
  int64_t downloads = 0, download_bytes = 0;
  int64_t scalars = 0;     ///< values that the host waited for: item(), equal(), nonzero(), ...
  int64_t waits = 0;       ///< for a stream, an event or the device
  int64_t operations = 0;  ///< kernels started; views and allocations are none
  std::map<std::string, int64_t> by_operation;  ///< "mm", "copy_", ...; attention is one operation
  int64_t live_bytes = 0;                       ///< of device memory, in units of 512 as on a GPU
  int64_t peak_bytes = 0;                       ///< the most that were live at once

  std::string text() const;
};

/// Registers the device with LibTorch when first called; `--device opaque` from then on.
c10::Device opaque_device();

/// Since the program began; the peak since the last measurement began.
Traffic traffic();

/// Begins a measurement: the peak starts from what is live.
Traffic start_measuring();
/// What happened since `start`; live_bytes is what was kept, peak_bytes the most that was added.
Traffic since(const Traffic& start);

/// What `work` caused, in whatever thread.
template <typename Work>
Traffic measured(Work&& work) {
  const Traffic start = start_measuring();
  std::forward<Work>(work)();
  return since(start);
}

/// Limits the device's memory to so many bytes beyond what is in use now; allocations that do not
/// fit throw c10::OutOfMemoryError, and `device_memory` tells what is left. The earlier limit
/// returns with the end of the object.
class MemoryLimit {
 public:
  explicit MemoryLimit(int64_t more_bytes);
  ~MemoryLimit();
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  int64_t earlier_;
};

/// Uses of memory whose order nothing ensures (a stream reads what another wrote without waiting
/// for it, memory is given back while another stream works on it), in words; then forgets them.
std::vector<std::string> take_hazards();

}  // namespace mop::testing
