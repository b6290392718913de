// device/device_memory.cc -- device memory is mapped without any right of access, so that a host
// access ends the program; pinned memory loses its rights while a copy is under way.
#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "device/device_state.h"

namespace mop::testing::opaque {
namespace {

constexpr size_t kPage = 4096, kUnit = 512;

size_t rounded(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

void protect(std::pair<const uintptr_t, Block>& block, int rights) {
  TORCH_CHECK(
      ::mprotect(reinterpret_cast<void*>(block.first), block.second.mapped_bytes, rights) == 0,
      "the rights of a block of ", block.second.mapped_bytes, " bytes cannot be changed");
}

// What the host may do with memory that no operation works on.
int rights_of(const Block& block) {
  if (!block.pinned) return PROT_NONE;
  if (!covers(state().host, block.writes)) return PROT_NONE;
  return covers(state().host, block.reads) ? PROT_READ | PROT_WRITE : PROT_READ;
}

void* map(size_t bytes, int rights, Block block) {
  block.mapped_bytes = rounded(bytes, kPage);
  block.home = current_stream();
  // A GPU's allocator gives out again what work of the same stream may still be using.
  const int64_t earlier = state().streams[block.home][block.home];
  if (!block.pinned && earlier > 0) block.writes[block.home] = earlier;
  void* p = ::mmap(nullptr, block.mapped_bytes, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  TORCH_CHECK(p != MAP_FAILED, "the machine has no ", bytes, " bytes for the opaque device");
  state().blocks[reinterpret_cast<uintptr_t>(p)] = std::move(block);
  return p;
}

void give_back(void* p) {
  if (p == nullptr) return;
  const std::lock_guard lock(state().mutex);
  const auto it = state().blocks.find(reinterpret_cast<uintptr_t>(p));
  check_given_back(it->second);
  state().traffic.live_bytes -= it->second.charged_bytes;
  ::munmap(p, it->second.mapped_bytes);
  state().blocks.erase(it);
}

void check_limit(int64_t charged) {
  const int64_t live = state().traffic.live_bytes, limit = state().limit_bytes;
  TORCH_CHECK_WITH(OutOfMemoryError, charged <= limit - live,
                   "opaque device out of memory. Tried to allocate ", charged,
                   " bytes. The device has ", limit, " bytes in all, ", live, " are in use");
}

class OpaqueMemory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &give_back, kDevice};
    const std::lock_guard lock(state().mutex);
    const auto charged = static_cast<int64_t>(rounded(bytes, kUnit));
    check_limit(charged);
    void* p = map(bytes, PROT_NONE, {.charged_bytes = charged});
    Traffic& traffic = state().traffic;
    traffic.live_bytes += charged;
    traffic.peak_bytes = std::max(traffic.peak_bytes, traffic.live_bytes);
    return {p, p, &give_back, kDevice};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void*, const void*, size_t) const override {
    TORCH_CHECK(false, "the opaque device copies tensors alone");
  }
};

class PinnedMemory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &give_back, c10::kCPU};
    const std::lock_guard lock(state().mutex);
    void* p = map(bytes, PROT_READ | PROT_WRITE, {.pinned = true});
    return {p, p, &give_back, c10::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

// One stream's use of a block, against what the others did with it.
void use(Block& block, bool writes, const Clock& known, c10::StreamId stream, int64_t now,
         const std::string& operation) {
  if (!covers(known, block.writes) || (writes && !covers(known, block.reads))) {
    state().hazards.push_back(operation + " on stream " + std::to_string(stream) +
                              (writes ? " writes" : " reads") +
                              " memory that another stream works on, without waiting for it");
  }
  (writes ? block.writes : block.reads)[stream] = now;
}

}  // namespace

State& state() {
  static auto* all = new State;  // outlives every tensor
  return *all;
}

std::pair<const uintptr_t, Block>* block_of(const void* p) {
  const auto address = reinterpret_cast<uintptr_t>(p);
  auto it = state().blocks.upper_bound(address);
  if (it == state().blocks.begin()) return nullptr;
  --it;
  return address < it->first + it->second.mapped_bytes ? &*it : nullptr;
}

void count_operation(const std::string& name) {
  count([&](Traffic& traffic) {
    ++traffic.operations;
    ++traffic.by_operation[name];
  });
}

c10::Allocator& device_memory() {
  static auto* memory = new OpaqueMemory;
  return *memory;
}

c10::Allocator& pinned_memory() {
  static auto* memory = new PinnedMemory;
  return *memory;
}

bool is_pinned(const void* p) {
  const std::lock_guard lock(state().mutex);
  const auto* block = block_of(p);
  return block != nullptr && block->second.pinned;
}

Operation::Operation(const std::string& name, std::vector<at::Tensor> reads,
                     std::vector<at::Tensor> writes) {
  const std::lock_guard lock(state().mutex);
  const c10::StreamId stream = current_stream();
  const int64_t now = ++state().streams[stream][stream];
  const Clock known = known_to(stream);
  for (auto* tensors : {&reads, &writes}) {
    for (at::Tensor& tensor : *tensors) {
      if (!tensor.defined() || tensor.numel() == 0) continue;
      auto* block = block_of(tensor.storage().data());
      if (block == nullptr) continue;
      use(block->second, tensors == &writes, known, stream, now, name);
      if (++block->second.open == 1) protect(*block, PROT_READ | PROT_WRITE);
      tensors_.push_back(std::move(tensor));
    }
  }
}

Operation::~Operation() {
  const std::lock_guard lock(state().mutex);
  for (const at::Tensor& tensor : tensors_) {
    auto* block = block_of(tensor.storage().data());
    if (--block->second.open == 0) protect(*block, rights_of(block->second));
  }
}

at::Tensor host_view(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.is_cpu()) return tensor;
  const auto options = tensor.options().device(c10::kCPU);
  if (tensor.numel() == 0) return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), options);
}

void host_waited_for(const Clock& done) {
  merge(state().host, done);
  for (auto& block : state().blocks) {
    if (block.second.pinned && block.second.open == 0) protect(block, rights_of(block.second));
  }
}

}  // namespace mop::testing::opaque
