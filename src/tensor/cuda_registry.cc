// tensor/cuda_registry.cc
#include "tensor/cuda_registry.h"

#include <c10/util/Exception.h>
#include <c10/util/Logging.h>

#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "tensor/cuda_kernels.h"

namespace mop::cuda {
namespace {

constexpr const char* kParts =
#include "tensor/cuda_parts.cu.inc"
    ;
constexpr const char* kLayer =
#include "tensor/cuda_layer.cu.inc"
    ;
constexpr const char* kGradients =
#include "tensor/cuda_gradients.cu.inc"
    ;
constexpr const char* kRows =
#include "tensor/cuda_rows.cu.inc"
    ;

struct FileOfKernels {
  const char* name;
  const char* text;
};
constexpr std::array kFiles = {FileOfKernels{"cuda_layer.cu", kLayer},
                               FileOfKernels{"cuda_gradients.cu", kGradients},
                               FileOfKernels{"cuda_rows.cu", kRows}};

/// A kernel's name and the index in kFiles of its source file.
struct Kernel {
  const char* name;
  size_t file;
};
constexpr std::array<Kernel, kNumKernels> kKernels = {{{"norm_blocks", 0},
                                                       {"norm_warps", 0},
                                                       {"rope_tokens", 0},
                                                       {"silu_mul", 0},
                                                       {"norm_gradient_blocks", 1},
                                                       {"norm_gradient_warps", 1},
                                                       {"silu_gradient", 1},
                                                       {"drop_rows", 1},
                                                       {"row_products_1", 2},
                                                       {"row_products_2", 2},
                                                       {"row_products_3", 2},
                                                       {"row_products_4", 2},
                                                       {"gate_up_1", 2},
                                                       {"gate_up_2", 2},
                                                       {"gate_up_3", 2},
                                                       {"gate_up_4", 2}}};

std::string whole_text(const FileOfKernels& file) {
  const std::string parts = kParts;
  return parts + file.text;
}

size_t place(int device, bool bfloat16, Id id) {
  return (static_cast<size_t>(device) * 2 + (bfloat16 ? 1 : 0)) * kNumKernels + id;
}

}  // namespace

Registry& Registry::instance() {
  static Registry registry;
  return registry;
}

Registry::Registry() {
  const char* wish = std::getenv("MOP_CUDA_KERNELS");
  if (wish != nullptr && std::string_view(wish) == "0") {
    reason_ = "MOP_CUDA_KERNELS=0";
  } else if (!can_compile()) {
    reason_ = "NVIDIA's run-time compiler (libnvrtc.so) is not found";
    LOG(INFO) << "kernels for the GPU are not used, the plain operations are: " << reason_;
  } else {
    usable_ = true;
  }
}

Function Registry::find(int device, bool bfloat16, Id id) {
  if (device < 0 || device >= kMostDevices) throw internal_error("GPU {} of a few", device);
  std::atomic<void*>& known = handles_[place(device, bfloat16, id)];
  void* handle = known.load(std::memory_order_acquire);
  if (handle == nullptr) {
    const std::lock_guard lock(mutex_);
    void* module = module_of(device, bfloat16, kKernels[id].file);
    handle = find_function(device, module, kKernels[id].name).handle;
    known.store(handle, std::memory_order_release);
  }
  return {device, handle};
}

void Registry::give_up(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (!usable_.exchange(false)) return;
  reason_ = reason;
  TORCH_WARN("kernels for the GPU are not used, the plain operations are: ", reason);
}

std::string Registry::reason() {
  const std::lock_guard lock(mutex_);
  return reason_;
}

void* Registry::module_of(int device, bool bfloat16, size_t file) {
  void*& module = modules_[{device, bfloat16, file}];
  if (module != nullptr) return module;
  const std::string target = architecture(device);
  std::string& code = codes_[{target, bfloat16, file}];
  if (code.empty()) {
    const std::string macro = "MOP_BFLOAT16";
    code = compile(whole_text(kFiles[file]), kFiles[file].name, target,
                   {&macro, bfloat16 ? size_t{1} : size_t{0}});
  }
  return module = load_module(device, code);
}

std::vector<KernelFile> kernel_files() {
  std::vector<KernelFile> files;
  for (const FileOfKernels& file : kFiles) files.push_back({file.name, whole_text(file)});
  return files;
}

KernelState kernel_state(int device) {
  Registry& registry = Registry::instance();
  if (registry.usable()) {
    try {
      static_cast<void>(architecture(device));
      return {true, {}};
    } catch (const Error& e) {
      return {false, e.what()};
    }
  }
  return {false, registry.reason()};
}

}  // namespace mop::cuda
