// tensor/cuda_registry.h -- the GPU kernels of this process: their source files, and which are
// compiled and loaded. For cuda_kernels.cc only.
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

/// The kernels.
enum Id : size_t {
  kNormBlocks,
  kNormWarps,
  kRope,
  kSiluMul,
  kNormGradientBlocks,
  kNormGradientWarps,
  kSiluGradient,
  kDrop,
  kRowProducts,  // for one row; the variants for two, three and four rows follow
  kGateUp = kRowProducts + 4,
  kNumKernels = kGateUp + 4
};

/// Compiles, loads and caches kernels. Repeated lookups of a kernel take no lock.
class Registry {
 public:
  static Registry& instance();

  /// Returns whether kernels are enabled.
  bool usable() const { return usable_.load(std::memory_order_relaxed); }
  /// Compiles and loads the kernel if needed. Throws Error as cuda_driver.h does.
  Function find(int device, bool bfloat16, Id id);
  /// Disables the kernels for the rest of the process and warns once.
  void give_up(const std::string& reason);
  /// Returns why kernels are disabled; empty while they are enabled.
  std::string reason();

 private:
  static constexpr int kMostDevices = 64;

  Registry();
  void* module_of(int device, bool bfloat16, size_t file);

  std::atomic<bool> usable_ = false;
  std::mutex mutex_;
  std::string reason_;
  /// The key begins with the architecture.
  std::map<std::tuple<std::string, bool, size_t>, std::string> codes_;
  std::map<std::tuple<int, bool, size_t>, void*> modules_;
  std::array<std::atomic<void*>, size_t{kMostDevices}* 2 * kNumKernels> handles_ = {};
};

}  // namespace mop::cuda
