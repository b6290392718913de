// model/device_store.cc
#include "model/device_store.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/Event.h>
#include <c10/core/GradMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <array>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "tensor/device.h"
#include "tensor/upload.h"

namespace mop {
namespace {

constexpr int64_t kSliceBytes = int64_t{2} << 20;  // fits a core's cache until it is read
constexpr size_t kSlicesOfThread = 2;

using Key = std::pair<const void*, std::string>;

// Host memory that a copy to the device may still be reading.
struct Slice {
  at::Tensor memory;
  std::optional<c10::Event> read;
};

// The slices of one thread, used alternately.
struct Slices {
  std::array<Slice, kSlicesOfThread> slices;
  size_t next = 0;

  Slice& take(int64_t bytes, c10::Device device) {
    Slice& slice = slices[next];
    next = (next + 1) % kSlicesOfThread;
    if (slice.read) slice.read->synchronize();
    if (!slice.memory.defined() || slice.memory.numel() < bytes) {
      slice.memory = page_locked({std::max(bytes, kSliceBytes)}, at::kByte, device);
    }
    if (!slice.read) slice.read.emplace(device.type());
    return slice;
  }
};

}  // namespace

class DeviceStore::Upload {
 public:
  Upload(StoredWeight what, c10::Stream compute)
      : weight(std::move(what)), compute_stream(compute) {}
  // The memory returns to the compute stream, which must not use it before the copy has ended.
  ~Upload() {
    if (copied && !ordered) copied->block(compute_stream);
  }
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  StoredWeight weight;
  const c10::Stream compute_stream;
  at::Tensor values;                 // on the device; flat until issued
  std::optional<c10::Event> free;    // recorded after the work that may still use this memory
  std::optional<c10::Event> copied;  // recorded after the copy
  std::exception_ptr failure;
  bool issued = false;   // the copy is in the device's queue, or failed
  bool ordered = false;  // the compute stream waits for the copy
};

struct DeviceStore::State {
  const c10::Device device;
  const DType dtype;
  const int64_t budget;
  const c10::impl::VirtualGuardImpl guard;
  const c10::Stream compute_stream, copy_stream;

  mutable std::mutex mutex;
  std::condition_variable work, done;
  std::map<Key, Handle> resident;
  std::map<std::string, at::Tensor> constants;
  std::deque<Handle> queue;
  int64_t used = 0;
  int64_t uploaded = 0;
  bool stopping = false;

  // Used by the worker only.
  std::vector<Slices> by_thread;
  std::thread worker;

  State(c10::Device where, DType type, int64_t bytes)
      : device(where),
        dtype(type),
        budget(std::max<int64_t>(0, bytes)),
        guard(where.type()),
        compute_stream(guard.getStream(where)),
        copy_stream(guard.getStreamFromGlobalPool(where)),
        worker([this] { serve(); }) {}

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    work.notify_one();
    worker.join();
    // A slice must not be freed while a copy reads it.
    for (const Slices& own : by_thread) {
      for (const Slice& slice : own.slices) {
        if (slice.read) slice.read->synchronize();
      }
    }
  }

  int64_t bytes_of(const StoredWeight& weight) const {
    return weight.elements * static_cast<int64_t>(dtype_bytes(dtype));
  }

  void serve() {
    const c10::NoGradGuard no_grad;
    guard.setDevice(device);
    std::unique_lock lock(mutex);
    while (true) {
      work.wait(lock, [&] { return stopping || !queue.empty(); });
      if (stopping) return;
      const Handle next = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      // If only the queue holds it, nobody waits for it.
      if (next.use_count() > 1) upload_one(*next);
      lock.lock();
      next->issued = true;
      done.notify_all();
    }
  }

  void upload_one(Upload& upload) {
    try {
      const at::Tensor host = upload.weight.open().contiguous();
      if (host.numel() != upload.weight.elements) {
        throw internal_error("{} has {} elements instead of {}", upload.weight.name, host.numel(),
                             upload.weight.elements);
      }
      upload.values = upload.values.view(host.sizes());
      upload.free->block(copy_stream);
      const c10::StreamGuard on_copy_stream(copy_stream);
      const bool as_stored = host.scalar_type() == dtype;
      at::Tensor raw =
          as_stored ? upload.values : at::empty(host.sizes(), host.options().device(device));
      copy(host, raw);
      if (!as_stored) upload.values.copy_(raw);
      upload.copied.emplace(device.type());
      upload.copied->record(copy_stream);
    } catch (...) {
      upload.failure = std::current_exception();
      upload.values.reset();
    }
    upload.weight.open = nullptr;
  }

  // Both are contiguous, of equal dtype and shape. Each thread copies its part in slices: first
  // into page-locked memory, then asynchronously to the device.
  void copy(const at::Tensor& host, const at::Tensor& raw) {
    const auto element = static_cast<int64_t>(host.element_size());
    const int64_t step = kSliceBytes / element;
    const at::Tensor flat = raw.view({-1});
    const auto* from = static_cast<const std::byte*>(host.const_data_ptr());
    by_thread.resize(std::max(by_thread.size(), static_cast<size_t>(at::get_num_threads())));
    const auto copy_slices = [&](int64_t begin, int64_t end) {
      const c10::NoGradGuard no_grad;
      guard.setDevice(device);
      const c10::StreamGuard on_copy_stream(copy_stream);
      Slices& own = by_thread[static_cast<size_t>(at::get_thread_num())];
      for (int64_t first = begin * step; first < std::min(end * step, host.numel());
           first += step) {
        const int64_t count = std::min(step, host.numel() - first);
        Slice& slice = own.take(count * element, device);
        void* memory = slice.memory.data_ptr();
        std::memcpy(memory, from + first * element, static_cast<size_t>(count * element));
        flat.narrow(0, first, count)
            .copy_(at::from_blob(memory, {count}, host.options()), /*non_blocking=*/true);
        slice.read->record(copy_stream);
      }
    };
    at::parallel_for(0, (host.numel() + step - 1) / step, 1, copy_slices);
    const std::lock_guard lock(mutex);
    uploaded += host.numel() * element;
  }
};

int64_t store_budget(c10::Device device) {
  constexpr int64_t kUnknown = int64_t{4} << 30;  // if the device does not report its memory
  constexpr int64_t kLibraries = int64_t{512} << 20;
  const std::optional<DeviceMemory> memory = device_memory(device);
  if (!memory) return kUnknown;
  return std::max<int64_t>(0, memory->free_bytes - memory->free_bytes / 5 - kLibraries);
}

int64_t working_bytes(int64_t budget_bytes) {
  return std::max<int64_t>(budget_bytes / 8, int64_t{64} << 20);
}

DeviceStore::DeviceStore(c10::Device device, DType dtype, int64_t budget_bytes)
    : state_(std::make_unique<State>(device, dtype, budget_bytes)) {}
DeviceStore::~DeviceStore() = default;

DeviceStore::Handle DeviceStore::request(const StoredWeight& weight, bool keep) {
  State& s = *state_;
  const Key key{weight.owner.get(), weight.name};
  Handle handle;
  {
    const std::lock_guard lock(s.mutex);
    if (const auto found = s.resident.find(key); found != s.resident.end()) return found->second;
  }
  // Memory is allocated now, not when the copy starts: the copy then waits only for work enqueued
  // before this call, and runs in parallel with later work.
  handle = std::make_shared<Upload>(weight, s.compute_stream);
  handle->values =
      at::empty({weight.elements}, at::TensorOptions().dtype(s.dtype).device(s.device));
  handle->free.emplace(s.device.type());
  handle->free->record(s.compute_stream);
  {
    const std::lock_guard lock(s.mutex);
    const int64_t bytes = s.bytes_of(weight);
    if (keep && bytes <= s.budget - s.used) {
      s.resident.emplace(key, handle);
      s.used += bytes;
    }
    s.queue.push_back(handle);
  }
  s.work.notify_one();
  return handle;
}

at::Tensor DeviceStore::wait(const Handle& handle) {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  s.done.wait(lock, [&] { return handle->issued; });
  if (handle->failure) {
    const auto found = s.resident.find({handle->weight.owner.get(), handle->weight.name});
    if (found != s.resident.end() && found->second == handle) {
      s.used -= s.bytes_of(handle->weight);
      s.resident.erase(found);
    }
    std::rethrow_exception(handle->failure);
  }
  if (!std::exchange(handle->ordered, true)) handle->copied->block(s.compute_stream);
  return handle->values;
}

bool DeviceStore::is_resident(const StoredWeight& weight) const {
  const std::lock_guard lock(state_->mutex);
  return state_->resident.contains({weight.owner.get(), weight.name});
}

int64_t DeviceStore::free_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->budget - state_->used;
}

std::shared_ptr<void> DeviceStore::reserve(int64_t bytes) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  if (bytes > s.budget - s.used) return nullptr;
  s.used += bytes;
  return {&s, [bytes](State* state) {
            const std::lock_guard held(state->mutex);
            state->used -= bytes;
          }};
}

at::Tensor DeviceStore::constant(const std::string& name, const std::function<at::Tensor()>& make) {
  at::Tensor& value = state_->constants[name];
  if (!value.defined()) value = upload(make(), state_->device);
  return value;
}

c10::Device DeviceStore::device() const { return state_->device; }
DType DeviceStore::dtype() const { return state_->dtype; }
int64_t DeviceStore::budget_bytes() const { return state_->budget; }
int64_t DeviceStore::uploaded_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->uploaded;
}

}  // namespace mop
