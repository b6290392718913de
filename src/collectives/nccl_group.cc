// collectives/nccl_group.cc -- NCCL's C functions, loaded at run time. Calls are non-blocking, so
// that a rank that never answers causes an error.
#include "collectives/nccl_group.h"

#ifdef MOP_HAS_NCCL
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <nccl.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/progress.h"
#include "collectives/buckets.h"

namespace mop {
namespace {

/// NCCL's functions. The library stays loaded, as LibTorch's do.
struct Library {
  decltype(&ncclGetUniqueId) unique_id;
  decltype(&ncclCommInitRankConfig) init;
  decltype(&ncclAllReduce) all_reduce;
  decltype(&ncclBroadcast) broadcast;
  decltype(&ncclCommGetAsyncError) state;
  decltype(&ncclCommAbort) abort;
  decltype(&ncclGetErrorString) name;
  decltype(&ncclGetLastError) reason;
};

std::optional<Library> open_library(const std::string& file) {
  void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return std::nullopt;
  bool complete = true;
  const auto find = [&]<typename F>(F& function, const char* name) {
    function = reinterpret_cast<F>(::dlsym(handle, name));
    complete = complete && function != nullptr;
  };
  Library library{};
  find(library.unique_id, "ncclGetUniqueId");
  find(library.init, "ncclCommInitRankConfig");
  find(library.all_reduce, "ncclAllReduce");
  find(library.broadcast, "ncclBroadcast");
  find(library.state, "ncclCommGetAsyncError");
  find(library.abort, "ncclCommAbort");
  find(library.name, "ncclGetErrorString");
  find(library.reason, "ncclGetLastError");
  return complete ? std::optional(library) : std::nullopt;
}

ncclDataType_t type_of(const at::Tensor& flat) {
  switch (flat.scalar_type()) {
    case at::kDouble:
      return ncclFloat64;
    case at::kLong:
      return ncclInt64;
    default:
      return ncclFloat32;  // see travel_type
  }
}

// LibTorch uses the default stream unless told otherwise; so does this.
constexpr cudaStream_t kDefaultStream = nullptr;

bool is_idle(at::Device device) {
  if (device.is_cpu()) return true;
  const c10::impl::VirtualGuardImpl guard(device.type());
  return guard.queryStream(guard.getDefaultStream(device));
}

/// Aborts pending operations: a kernel that waits for a rank that ended would block the device's
/// stream, and any later copy from it, for ever.
struct Abort {
  decltype(&ncclCommAbort) abort;
  void operator()(ncclComm_t handle) const { abort(handle); }
};

/// A communicator of the ranks' GPUs. Unusable after an error.
class Communicator {
 public:
  Communicator(const Library& library, Collectives& control, at::Device device,
               std::chrono::seconds timeout)
      : library_(library), device_(device), timeout_(timeout), handle_(nullptr, {library.abort}) {
    ncclUniqueId id{};
    if (control.rank() == 0) check(library_.unique_id(&id));
    const std::string bytes = control.broadcast(std::string_view(id.internal, sizeof id.internal));
    std::memcpy(id.internal, bytes.data(), sizeof id.internal);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const c10::DeviceGuard guard(device_);
    ncclComm_t handle = nullptr;
    const ncclResult_t result = library_.init(&handle, static_cast<int>(control.size()), id,
                                              static_cast<int>(control.rank()), &config);
    handle_.reset(handle);
    finish(result);
  }

  void all_reduce(const at::Tensor& flat) {
    call(flat, [&] {
      return library_.all_reduce(flat.data_ptr(), flat.data_ptr(), size_of(flat), type_of(flat),
                                 ncclSum, handle_.get(), kDefaultStream);
    });
  }
  void broadcast(const at::Tensor& flat) {
    call(flat, [&] {
      return library_.broadcast(flat.data_ptr(), flat.data_ptr(), size_of(flat), type_of(flat), 0,
                                handle_.get(), kDefaultStream);
    });
  }

 private:
  static size_t size_of(const at::Tensor& flat) { return static_cast<size_t>(flat.numel()); }

  template <typename Start>
  void call(const at::Tensor& flat, const Start& start) {
    if (handle_ == nullptr) throw io_error("NCCL ended with an earlier error");
    if (flat.device() != device_) throw internal_error("tensors of a rank lie on several GPUs");
    const c10::DeviceGuard guard(device_);
    finish(start());
  }

  void finish(ncclResult_t result) {
    try {
      wait(result);
    } catch (const c10::Error& e) {
      handle_.reset();
      throw io_error("the GPU failed while processes exchanged tensors")
          .where("cause", std::string(e.what_without_backtrace()));
    } catch (...) {
      handle_.reset();
      throw;
    }
  }

  // Waits until NCCL has accepted the call and the device has completed it.
  void wait(ncclResult_t result) {
    const auto deadline = std::chrono::steady_clock::now() + timeout_;
    while (true) {
      check(result);
      if (result == ncclSuccess && is_idle(device_)) return;
      if (std::chrono::steady_clock::now() >= deadline) {
        throw io_error("another process of this job does not answer by NCCL")
            .hint("MOP_RANK_TIMEOUT sets how long to wait (s); NCCL_DEBUG=INFO says more");
      }
      check_stop();
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      check(library_.state(handle_.get(), &result));
    }
  }

  void check(ncclResult_t result) const {
    if (result == ncclSuccess || result == ncclInProgress) return;
    const char* reason = library_.reason(handle_.get());
    throw io_error("NCCL: {}", library_.name(result))
        .where("cause", reason != nullptr ? reason : "unknown")
        .hint("every rank needs a GPU of its own (--device cuda:N); MOP_NCCL=0 does without NCCL");
  }

  const Library& library_;
  at::Device device_;
  std::chrono::seconds timeout_;
  std::unique_ptr<std::remove_pointer_t<ncclComm_t>, Abort> handle_;
};

bool is_wanted() {
  const char* wanted = std::getenv("MOP_NCCL");
  return wanted == nullptr || std::string_view(wanted) != "0";
}

class NcclRanks final : public Collectives {
 public:
  NcclRanks(std::shared_ptr<Collectives> control, std::chrono::seconds timeout, std::string file,
            c10::DeviceType kind)
      : control_(std::move(control)), timeout_(timeout), file_(std::move(file)), kind_(kind) {}

  int64_t rank() const override { return control_->rank(); }
  int64_t size() const override { return control_->size(); }

  // LibTorch for GPUs is loaded by now, which loads the library.
  void meet_on(c10::Device device) override {
    communicator_.reset();
    library_ = device.type() == kind_ && is_wanted() ? open_library(file_) : std::nullopt;
    if (control_->sum(int64_t{library_ ? 1 : 0}) < size()) return;
    communicator_.emplace(*library_, *control_, device, timeout_);
  }

  void all_reduce(const std::vector<at::Tensor>& tensors) override {
    const std::vector<at::Tensor> others = send_ours(tensors, &Communicator::all_reduce);
    if (!others.empty()) control_->all_reduce(others);
  }

  using Collectives::broadcast;
  void broadcast(const std::vector<at::Tensor>& tensors) override {
    const std::vector<at::Tensor> others = send_ours(tensors, &Communicator::broadcast);
    if (!others.empty()) control_->broadcast(others);
  }

  std::vector<std::string> all_gather(std::string_view bytes) override {
    return control_->all_gather(bytes);
  }

 private:
  // Sends the tensors on our type of device; returns the others.
  std::vector<at::Tensor> send_ours(const std::vector<at::Tensor>& tensors,
                                    void (Communicator::*send)(const at::Tensor&)) {
    if (!communicator_) return tensors;
    std::vector<at::Tensor> ours, others;
    for (const at::Tensor& t : tensors) (t.device().type() == kind_ ? ours : others).push_back(t);
    if (ours.empty()) return others;
    control_->barrier();  // detects ranks that have ended
    for_each_bucket(ours, ours[0].device(),
                    [&](const at::Tensor& flat) { (*communicator_.*send)(flat); });
    return others;
  }

  std::shared_ptr<Collectives> control_;
  std::chrono::seconds timeout_;
  std::string file_;
  c10::DeviceType kind_;
  std::optional<Library> library_;
  std::optional<Communicator> communicator_;
};

}  // namespace

std::shared_ptr<Collectives> with_nccl(std::shared_ptr<Collectives> control,
                                       std::chrono::seconds timeout, const std::string& library,
                                       c10::DeviceType kind) {
  return std::make_shared<NcclRanks>(std::move(control), timeout, library, kind);
}

}  // namespace mop

#else

namespace mop {

std::shared_ptr<Collectives> with_nccl(std::shared_ptr<Collectives> control, std::chrono::seconds,
                                       const std::string&, c10::DeviceType) {
  return control;
}

}  // namespace mop
#endif
