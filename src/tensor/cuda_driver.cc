// tensor/cuda_driver.cc
#include "tensor/cuda_driver.h"

#include <ATen/Context.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <vector>

#include "base/error.h"

namespace mop {
namespace cuda {
namespace {
namespace fs = std::filesystem;

// Fills a table of functions from a library. Fails when one is missing.
class Finder {
 public:
  explicit Finder(void* library) : library_(library) {}
  template <typename F>
  void operator()(F& function, const char* name) {
    function = reinterpret_cast<F>(::dlsym(library_, name));
    complete_ = complete_ && function != nullptr;
  }
  bool complete() const { return complete_; }

 private:
  void* library_;
  bool complete_ = true;
};

// ---- the driver -----------------------------------------------------------------------------

using Status = int;  // CUresult; 0 is success
using Context = void*;

/// The functions of libcuda.so.1 that are used, by their ABI names.
struct Driver {
  Status (*init)(unsigned flags);
  Status (*error_name)(Status, const char**);
  Status (*device)(int* device, int ordinal);
  Status (*attribute)(int* value, int attribute, int device);
  Status (*retain)(Context*, int device);
  Status (*current)(Context*);
  Status (*set_current)(Context);
  Status (*memory)(size_t* free, size_t* total);
  Status (*load)(void** module, const void* image);
  Status (*function)(void** function, void* module, const char* name);
  Status (*launch)(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                   void* stream, void** arguments, void** extra);
};
// Values of the enumeration CUdevice_attribute.
constexpr int kCapabilityMajor = 75, kCapabilityMinor = 76;

std::optional<Driver> open_driver() {
  void* library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return std::nullopt;
  Driver driver{};
  Finder find(library);
  find(driver.init, "cuInit");
  find(driver.error_name, "cuGetErrorName");
  find(driver.device, "cuDeviceGet");
  find(driver.attribute, "cuDeviceGetAttribute");
  find(driver.retain, "cuDevicePrimaryCtxRetain");
  find(driver.current, "cuCtxGetCurrent");
  find(driver.set_current, "cuCtxSetCurrent");
  find(driver.memory, "cuMemGetInfo_v2");
  find(driver.load, "cuModuleLoadData");
  find(driver.function, "cuModuleGetFunction");
  find(driver.launch, "cuLaunchKernel");
  if (!find.complete() || driver.init(0) != 0) return std::nullopt;
  return driver;
}

const std::optional<Driver>& found_driver() {
  static const std::optional<Driver> driver = open_driver();
  return driver;
}

const Driver& driver() {
  if (!found_driver()) throw io_error("NVIDIA's driver library (libcuda.so.1) cannot be used");
  return *found_driver();
}

void check(Status status, const char* doing) {
  if (status == 0) return;
  const char* name = nullptr;
  if (driver().error_name(status, &name) != 0 || name == nullptr) name = "unknown error";
  throw io_error("{}: the CUDA driver says {} ({})", doing, name, status);
}

int device_handle(int device) {
  int handle = 0;
  check(driver().device(&handle, device), "finding the GPU");
  return handle;
}

// The primary context, which LibTorch uses too. It is never released.
Context primary_context(int device) {
  static std::mutex mutex;
  static std::map<int, Context> contexts;
  const std::lock_guard lock(mutex);
  Context& context = contexts[device];
  if (context == nullptr) check(driver().retain(&context, device_handle(device)), "using the GPU");
  return context;
}

/// Makes a GPU's primary context current for the thread during its lifetime.
class UseDevice {
 public:
  explicit UseDevice(int device) {
    const Context wanted = primary_context(device);
    check(driver().current(&before_), "asking for the CUDA context");
    changed_ = before_ != wanted;
    if (changed_) check(driver().set_current(wanted), "setting the CUDA context");
  }
  ~UseDevice() {
    if (changed_) driver().set_current(before_);
  }
  UseDevice(const UseDevice&) = delete;
  UseDevice& operator=(const UseDevice&) = delete;

 private:
  Context before_ = nullptr;
  bool changed_ = false;
};

// ---- the compiler ---------------------------------------------------------------------------

using Result = int;  // nvrtcResult; 0 is success
using Program = void*;

struct Compiler {
  const char* (*error)(Result);
  Result (*create)(Program*, const char* source, const char* name, int headers,
                   const char* const* header_texts, const char* const* header_names);
  Result (*destroy)(Program*);
  Result (*compile)(Program, int options, const char* const* option);
  Result (*log_size)(Program, size_t*);
  Result (*log)(Program, char*);
  Result (*cubin_size)(Program, size_t*);
  Result (*cubin)(Program, char*);
  Result (*num_architectures)(int*);
  Result (*architectures)(int*);
};

std::optional<Compiler> compiler_of(void* library) {
  if (library == nullptr) return std::nullopt;
  Compiler compiler{};
  Finder find(library);
  find(compiler.error, "nvrtcGetErrorString");
  find(compiler.create, "nvrtcCreateProgram");
  find(compiler.destroy, "nvrtcDestroyProgram");
  find(compiler.compile, "nvrtcCompileProgram");
  find(compiler.log_size, "nvrtcGetProgramLogSize");
  find(compiler.log, "nvrtcGetProgramLog");
  find(compiler.cubin_size, "nvrtcGetCUBINSize");
  find(compiler.cubin, "nvrtcGetCUBIN");
  find(compiler.num_architectures, "nvrtcGetNumSupportedArchs");
  find(compiler.architectures, "nvrtcGetSupportedArchs");
  return find.complete() ? std::optional(compiler) : std::nullopt;
}

constexpr std::array kCompilerNames = {"libnvrtc.so.13", "libnvrtc.so.12"};

// Paths of NVRTC, in order of preference: LibTorch's own (the layout of PyPI's packages, then its
// stub, which finds the library), then the system's.
std::vector<std::string> compiler_files() {
  std::vector<std::string> files;
  Dl_info info{};
  const auto* symbol = reinterpret_cast<const void*>(&at::globalContext);
  if (::dladdr(symbol, &info) != 0 && info.dli_fname != nullptr) {
    const fs::path folder = fs::weakly_canonical(info.dli_fname).parent_path();
    const fs::path packages = folder.parent_path().parent_path() / "nvidia";
    files.push_back((packages / "cu13/lib/libnvrtc.so.13").string());
    files.push_back((packages / "cuda_nvrtc/lib/libnvrtc.so.12").string());
    files.push_back((folder / "libcaffe2_nvrtc.so").string());
  }
  for (const char* name : kCompilerNames) files.emplace_back(name);
  for (const char* name : kCompilerNames) {
    files.push_back(std::string("/usr/local/cuda/lib64/") + name);
  }
  return files;
}

std::optional<Compiler> open_compiler() {
  for (const char* name : kCompilerNames) {
    const auto loaded = compiler_of(::dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD));
    if (loaded) return loaded;
  }
  for (const std::string& file : compiler_files()) {
    const auto found = compiler_of(::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL));
    if (found) return found;
  }
  return std::nullopt;
}

const std::optional<Compiler>& found_compiler() {
  static const std::optional<Compiler> compiler = open_compiler();
  return compiler;
}

const Compiler& compiler() {
  if (!found_compiler()) {
    throw io_error("NVIDIA's run-time compiler (libnvrtc.so) is not found")
        .hint("`pip install torch` brings it; or put its folder into LD_LIBRARY_PATH");
  }
  return *found_compiler();
}

void check_compiler(Result result, const char* doing) {
  if (result != 0) throw internal_error("{}: NVRTC says {}", doing, compiler().error(result));
}

/// An NVRTC program, destroyed with this object.
class Source {
 public:
  Source(const std::string& text, const std::string& name) {
    check_compiler(compiler().create(&program_, text.c_str(), name.c_str(), 0, nullptr, nullptr),
                   "compiling");
  }
  ~Source() { compiler().destroy(&program_); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  Result compile(const std::vector<const char*>& options) {
    return compiler().compile(program_, static_cast<int>(options.size()), options.data());
  }
  std::string log() const {
    const std::string log = text(compiler().log_size, compiler().log);
    return log.substr(0, log.find('\0'));
  }
  std::string cubin() const { return text(compiler().cubin_size, compiler().cubin); }

 private:
  std::string text(Result (*size_of)(Program, size_t*), Result (*get)(Program, char*)) const {
    size_t size = 0;
    check_compiler(size_of(program_, &size), "compiling");
    std::string result(size, '\0');
    if (size > 0) check_compiler(get(program_, result.data()), "compiling");
    return result;
  }

  Program program_ = nullptr;
};

// ---- LibTorch's streams -----------------------------------------------------------------------

// LibTorch's current CUDA stream, by its C interface or, where that is missing, by
// c10::cuda::CUDAStream::stream(), whose object has the layout of c10::Stream.
void* current_stream(int device) {
  using Shim = int (*)(int32_t, void**);
  using Member = void* (*)(const c10::Stream*);
  static const auto shim =
      reinterpret_cast<Shim>(::dlsym(RTLD_DEFAULT, "aoti_torch_get_current_cuda_stream"));
  static const auto member =
      reinterpret_cast<Member>(::dlsym(RTLD_DEFAULT, "_ZNK3c104cuda10CUDAStream6streamEv"));
  if (shim != nullptr) {
    void* stream = nullptr;
    if (shim(device, &stream) != 0) throw io_error("cannot get LibTorch's current stream");
    return stream;
  }
  if (member == nullptr)
    throw io_error("this LibTorch has no function that returns its current stream");
  const c10::Device where(c10::kCUDA, static_cast<c10::DeviceIndex>(device));
  const c10::Stream stream = c10::impl::getDeviceGuardImpl(c10::kCUDA)->getStream(where);
  return member(&stream);
}

}  // namespace

bool can_compile() { return found_compiler().has_value(); }

std::span<const int> known_architectures() {
  static const std::vector<int> known = [] {
    int count = 0;
    if (!found_compiler() || compiler().num_architectures(&count) != 0) return std::vector<int>();
    std::vector<int> numbers(static_cast<size_t>(count));
    if (compiler().architectures(numbers.data()) != 0) numbers.clear();
    return numbers;
  }();
  return known;
}

std::string architecture(int device) {
  const int handle = device_handle(device);
  int major = 0, minor = 0;
  check(driver().attribute(&major, kCapabilityMajor, handle), "asking for the GPU's architecture");
  check(driver().attribute(&minor, kCapabilityMinor, handle), "asking for the GPU's architecture");
  static_cast<void>(compiler());
  int best = 0;
  for (const int known : known_architectures()) {
    if (known / 10 == major && known % 10 <= minor) best = std::max(best, known);
  }
  if (best == 0) throw io_error("this NVRTC does not know sm_{}{}", major, minor);
  return "sm_" + std::to_string(best);
}

std::string compile(const std::string& source, const std::string& name,
                    const std::string& architecture, std::span<const std::string> macros) {
  std::vector<std::string> texts = {"--gpu-architecture=" + architecture, "--std=c++17"};
  for (const std::string& macro : macros) texts.push_back("--define-macro=" + macro);
  std::vector<const char*> options;
  for (const std::string& text : texts) options.push_back(text.c_str());
  Source program(source, name);
  if (const Result result = program.compile(options); result != 0) {
    throw internal_error("{} does not compile for {}: {}\n{}", name, architecture,
                         compiler().error(result), program.log());
  }
  return program.cubin();
}

void* load_module(int device, const std::string& cubin) {
  const UseDevice use(device);
  void* module = nullptr;
  check(driver().load(&module, cubin.data()), "loading kernels");
  return module;
}

Function find_function(int device, void* module, const char* name) {
  const UseDevice use(device);
  Function found{device, nullptr};
  if (driver().function(&found.handle, module, name) != 0) {
    throw internal_error("there is no kernel {}", name);
  }
  return found;
}

void launch(const Function& function, const Grid& grid, std::span<void*> arguments) {
  if (grid.blocks_x == 0 || grid.blocks_y == 0) return;
  if (grid.blocks_x > INT32_MAX || grid.blocks_y > UINT16_MAX) {
    throw internal_error("a grid of {} by {} blocks", grid.blocks_x, grid.blocks_y);
  }
  const UseDevice use(function.device);
  check(
      driver().launch(function.handle, static_cast<unsigned>(grid.blocks_x),
                      static_cast<unsigned>(grid.blocks_y), 1, static_cast<unsigned>(grid.threads),
                      1, 1, 0, current_stream(function.device), arguments.data(), nullptr),
      "starting a kernel");
}

}  // namespace cuda

std::optional<std::pair<int64_t, int64_t>> cuda_memory(int device) {
  if (!cuda::found_driver()) return std::nullopt;
  try {
    const cuda::UseDevice use(device);
    size_t free = 0, total = 0;
    cuda::check(cuda::driver().memory(&free, &total), "asking for the GPU's memory");
    return std::pair(static_cast<int64_t>(free), static_cast<int64_t>(total));
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace mop
