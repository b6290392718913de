// tensor/cuda_registry.h -- the kernels of this process: which file of CUDA C++ has them, and which
// are compiled and loaded. For cuda_kernels.cc alone.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "tensor/cuda_driver.h"

namespace mop::cuda {

/// A kernel for GPUs.
enum Id : size_t {
  kNormBlocks,
  kNormWarps,
  kRope,
  kSiluMul,
  kNormGradientBlocks,
  kNormGradientWarps,
  kSiluGradient,
  kDrop,
  kRowProducts,  // of one row; those of two, three and four follow
  kGateUp = kRowProducts + 4,
  kNumKernels = kGateUp + 4
};

/// A kernel that is found once is found again without a lock.
class Registry {
 public:
  static Registry& instance();

  /// Whether kernels are to be used.
  bool usable() const { return usable_.load(std::memory_order_relaxed); }
  /// Compiles and loads what is not yet there. Throws Error as cuda_driver.h does.
  Function find(int device, bool bfloat16, Id id);
  /// From now on the plain operations do the work; warns once.
  void give_up(const std::string& reason);
  /// Why kernels are not used; empty while they are.
  std::string reason();

 private:
  static constexpr int kMostDevices = 64;

  Registry();
  void* module_of(int device, bool bfloat16, size_t file);

  std::atomic<bool> usable_ = false;
  std::mutex mutex_;
  std::string reason_;
  std::map<std::tuple<std::string, bool, size_t>, std::string> codes_;  ///< by architecture
  std::map<std::tuple<int, bool, size_t>, void*> modules_;
  std::array<std::atomic<void*>, size_t{kMostDevices}* 2 * kNumKernels> handles_ = {};
};

}  // namespace mop::cuda
