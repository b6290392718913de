// device/device_state.h -- what the parts of the opaque device share: its memory, the order of its
// streams, and its counters.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>
#include <c10/core/Stream.h>

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "device/opaque_device.h"

namespace mop::testing::opaque {

inline constexpr c10::DeviceType kOpaque = c10::DeviceType::PrivateUse1;
inline const c10::Device kDevice{kOpaque, 0};

/// How many operations of each stream are known to be done.
using Clock = std::map<c10::StreamId, int64_t>;
void merge(Clock& into, const Clock& other);
/// Whether everything in `uses` is known to be done.
bool covers(const Clock& known, const Clock& uses);

/// Memory of the device, or pinned memory of the host.
struct Block {
  size_t mapped_bytes = 0;
  int64_t charged_bytes = 0;  // against the device's limit; 0 = pinned
  bool pinned = false;
  int open = 0;                           // operations that work on it
  c10::StreamId home = 0;                 // where it was allocated
  Clock reads = {}, writes = {};          // the last of each stream
  std::set<c10::StreamId> kept_for = {};  // streams that the allocator was told of
};

struct State {
  std::mutex mutex;
  Traffic traffic;
  int64_t limit_bytes = INT64_MAX;
  std::map<uintptr_t, Block> blocks;  // by their first byte
  std::map<c10::StreamId, Clock> streams;
  Clock host;  // what the host waited for
  std::vector<std::string> hazards;
};
State& state();

/// The block that holds `p`, null when there is none. The mutex is held.
std::pair<const uintptr_t, Block>* block_of(const void* p);

/// Adds to the counters.
template <typename Change>
void count(Change&& change) {
  const std::lock_guard lock(state().mutex);
  change(state().traffic);
}
void count_operation(const std::string& name);

c10::Allocator& device_memory();
c10::Allocator& pinned_memory();
bool is_pinned(const void* p);

/// An operation on the thread's stream: the memory of its tensors is open to the host while the
/// object lives, and the order with other streams is checked. Undefined and CPU tensors count for
/// nothing, pinned ones only for the order.
class Operation {
 public:
  Operation(const std::string& name, std::vector<at::Tensor> reads, std::vector<at::Tensor> writes);
  ~Operation();
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

 private:
  std::vector<at::Tensor> tensors_;
};

/// A CPU tensor over the same memory; of use while an Operation holds it open.
at::Tensor host_view(const at::Tensor& tensor);

c10::StreamId current_stream();
/// What an operation on the stream may rely on. The mutex is held.
Clock known_to(c10::StreamId stream);
/// The host has waited for all that `done` tells. The mutex is held.
void host_waited_for(const Clock& done);
/// The host has waited for the thread's stream.
void host_waited_for_stream();
/// The memory is being given back: nobody else may still work on it. The mutex is held.
void check_given_back(const Block& block);

void register_streams();
void register_operations();

}  // namespace mop::testing::opaque
