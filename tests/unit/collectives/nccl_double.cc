// A library with NCCL's names for ranks that are threads of one process and tensors on the CPU.
// Calls are taken in first and done when asked for, as NCCL's are that do not block. Three ranks
// are refused, as NCCL refuses ranks that share a GPU.
#include <nccl.h>

#include <barrier>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace {

struct Group {
  explicit Group(int size) : here(size), buffers(static_cast<size_t>(size)) {}
  std::barrier<> here;
  std::vector<const void*> buffers;
};

std::mutex mutex;
std::map<int, std::shared_ptr<Group>> groups;
int next_id = 0;

template <typename T>
void sum_up(const Group& group, void* out, size_t count) {
  std::vector<T> sum(count);
  for (const void* buffer : group.buffers) {
    for (size_t i = 0; i < count; ++i) sum[i] += static_cast<const T*>(buffer)[i];
  }
  std::memcpy(out, sum.data(), count * sizeof(T));
}

}  // namespace

struct ncclComm {
  std::shared_ptr<Group> group;
  size_t rank;
  std::function<void()> pending = [] {};
  ncclResult_t state = ncclSuccess;

  template <typename Work>
  ncclResult_t later(const void* buffer, void* out, size_t bytes, Work work) {
    pending = [=, this] {
      group->buffers[rank] = buffer;
      group->here.arrive_and_wait();
      std::vector<char> result(bytes);
      work(*group, result.data());
      group->here.arrive_and_wait();  // everybody has read what is written over now
      std::memcpy(out, result.data(), bytes);
    };
    return ncclInProgress;
  }
};

extern "C" {

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const std::lock_guard lock(mutex);
  const int number = ++next_id;
  std::memcpy(id->internal, &number, sizeof number);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (size == 3 || config->blocking != 0) return ncclInvalidUsage;
  const std::lock_guard lock(mutex);
  int number = 0;
  std::memcpy(&number, id.internal, sizeof number);
  std::shared_ptr<Group>& group = groups[number];
  if (group == nullptr) group = std::make_shared<Group>(size);
  *comm = new ncclComm{group, static_cast<size_t>(rank)};
  return ncclInProgress;
}

ncclResult_t ncclAllReduce(const void* in, void* out, size_t count, ncclDataType_t type,
                           ncclRedOp_t, ncclComm_t comm, cudaStream_t) {
  if (count == 55 || count == 66) {
    comm->state = count == 55 ? ncclInvalidUsage : ncclInProgress;
    return ncclInProgress;
  }
  const size_t size = type == ncclFloat32 ? 4 : 8;
  return comm->later(in, out, count * size, [=](const Group& group, void* result) {
    if (type == ncclFloat32) sum_up<float>(group, result, count);
    if (type == ncclFloat64) sum_up<double>(group, result, count);
    if (type == ncclInt64) sum_up<int64_t>(group, result, count);
  });
}

ncclResult_t ncclBroadcast(const void* in, void* out, size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t) {
  const size_t bytes = count * (type == ncclFloat32 ? 4 : 8);
  return comm->later(in, out, bytes, [=](const Group& group, void* result) {
    std::memcpy(result, group.buffers[static_cast<size_t>(root)], bytes);
  });
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  comm->pending();
  comm->pending = [] {};
  *state = comm->state;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  delete comm;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t) { return "invalid usage"; }
const char* ncclGetLastError(ncclComm_t) { return "Duplicate GPU detected"; }
}
