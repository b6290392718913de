// tensor/device.cc
#include "tensor/device.h"

#include <ATen/ATen.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>

#include <charconv>
#include <exception>
#include <filesystem>
#include <string>

#include "base/error.h"

namespace mop {
namespace {
namespace fs = std::filesystem;

// Returns the folder of the loaded LibTorch.
fs::path libtorch_folder() {
  Dl_info info{};
  const auto* symbol = reinterpret_cast<const void*>(&at::globalContext);
  if (::dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) {
    throw internal_error("cannot tell where LibTorch was loaded from");
  }
  return fs::weakly_canonical(info.dli_fname).parent_path();
}

void load_cuda_library() {
  const fs::path library = libtorch_folder() / "libtorch_cuda.so";
  if (!fs::exists(library)) {
    throw io_error("this LibTorch is a CPU build: it has no libtorch_cuda.so")
        .where("looked for", library.string())
        .hint(
            "use --device cpu, or run with a CUDA build of LibTorch (LD_LIBRARY_PATH=<its lib "
            "folder>)");
  }
  // Stays loaded; its static initialisers register the CUDA backend.
  if (::dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    const char* reason = ::dlerror();
    throw io_error("libtorch_cuda.so cannot be loaded: {}",
                   reason != nullptr ? reason : "unknown reason")
        .where("file", library.string())
        .hint(
            "install NVIDIA's libraries that this LibTorch was built for (cuBLAS, cuDNN, ...: `pip "
            "install "
            "torch` brings them), or put their folders into LD_LIBRARY_PATH");
  }
}

int count_gpus() {
  if (!c10::impl::hasDeviceGuardImpl(c10::kCUDA)) return 0;
  return static_cast<int>(c10::impl::getDeviceGuardImpl(c10::kCUDA)->deviceCount());
}

// Settings for all GPU work: no attention backend that re-plans for each shape, and float32
// accumulation in matrix products.
void configure_cuda() {
  at::Context& context = at::globalContext();
  context.setSDPUseCuDNN(false);
  context.setAllowBF16ReductionCuBLAS(false);
  context.setAllowFP16ReductionCuBLAS(false);
}

c10::Device open_cuda(std::string_view name) {
  int index = 0;
  if (name != "cuda") {
    const std::string_view digits = name.substr(5);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (error != std::errc() || end != digits.data() + digits.size() || index < 0 || index > 127) {
      throw usage_error("'{}' is not a GPU number in --device {}", digits, name)
          .hint("for example: cuda:0");
    }
  }
  load_cuda_library();
  configure_cuda();
  const int gpus = count_gpus();
  if (index >= gpus) {
    throw io_error("--device {}: this machine shows {} usable GPU{}", name, gpus,
                   gpus == 1 ? "" : "s")
        .hint(
            "check `nvidia-smi`, the driver's version and CUDA_VISIBLE_DEVICES, or use --device "
            "cpu");
  }
  const c10::Device device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
  try {
    at::empty({1}, at::TensorOptions().device(device));
  } catch (const std::exception& e) {
    const std::string reason(e.what());
    throw io_error("GPU {} cannot be used: {}", index, reason.substr(0, reason.find('\n')));
  }
  return device;
}

}  // namespace

c10::Device open_device(std::string_view name) {
  if (name == "cpu") return c10::kCPU;
  if (name == "cuda" || name.starts_with("cuda:")) return open_cuda(name);
  const bool registered = c10::is_privateuse1_backend_registered();
  const std::string other = registered ? c10::get_privateuse1_backend() : "";
  if (registered && name == other) return {c10::DeviceType::PrivateUse1, 0};
  throw usage_error("unknown device '{}'", name)
      .hint("known: cpu, cuda, cuda:N" + (registered ? ", " + other : ""));
}

}  // namespace mop
