// tensor/device_error.cc
#include "tensor/device_error.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <regex>
#include <stdexcept>
#include <string_view>

#include "base/library_error.h"
#include "base/machine.h"
#include "tensor/device.h"

namespace mop {
namespace {

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

template <size_t N>
bool has_any(std::string_view text, const std::array<std::string_view, N>& parts) {
  return std::ranges::any_of(parts, [text](std::string_view part) { return has(text, part); });
}

constexpr std::array<std::string_view, 8> kDeviceMemoryTexts = {
    "CUDA out of memory",         "CUDA error: out of memory",   "CUDA driver error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED",   "CUSOLVER_STATUS_ALLOC_FAILED",
    "CUDA_ERROR_OUT_OF_MEMORY",   "the device ran out of memory"};
constexpr std::array<std::string_view, 2> kHostMemoryTexts = {"can't allocate memory",
                                                              "out of memory: the machine"};
constexpr std::array<std::string_view, 8> kDeviceTexts = {
    "CUDA error",    "CUDA driver error", "CUDA_ERROR_",      "CUBLAS_STATUS_",
    "CUDNN_STATUS_", "cuDNN error",       "CUSOLVER_STATUS_", "no kernel image is available"};

enum class Cause { kNone, kDeviceMemory, kHostMemory, kDevice };

// Matches the text, since library versions throw different types for one error; but only for
// exception types of these libraries, so that exceptions of user callbacks pass through.
Cause cause_of(const std::exception& e) {
  if (dynamic_cast<const c10::Error*>(&e) == nullptr && dynamic_cast<const Error*>(&e) == nullptr &&
      dynamic_cast<const std::runtime_error*>(&e) == nullptr &&
      dynamic_cast<const std::bad_alloc*>(&e) == nullptr) {
    return Cause::kNone;
  }
  const std::string_view text(e.what());
  if (dynamic_cast<const c10::OutOfMemoryError*>(&e) != nullptr) return Cause::kDeviceMemory;
  if (has_any(text, kDeviceMemoryTexts)) return Cause::kDeviceMemory;
  if (dynamic_cast<const std::bad_alloc*>(&e) != nullptr) return Cause::kHostMemory;
  if (has_any(text, kHostMemoryTexts)) return Cause::kHostMemory;
  return has_any(text, kDeviceTexts) ? Cause::kDevice : Cause::kNone;
}

// LibTorch's message without the backtrace at the end of what().
std::string text_of(const std::exception& e) {
  const auto* error = dynamic_cast<const c10::Error*>(&e);
  return error != nullptr ? error->what_without_backtrace() : e.what();
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

bool traces_are_wanted() {
  const char* value = std::getenv("TORCH_SHOW_CPP_STACKTRACES");
  return value != nullptr && std::string_view(value) == "1";
}

Error with_circumstances(Error error, const std::exception& e, const Doing& doing) {
  if (!doing.what.empty()) error = std::move(error).where("while", doing.what);
  if (traces_are_wanted()) error = std::move(error).where("trace", e.what());
  return error;
}

// Returns the first group of the match; empty without a match.
std::string found(const std::string& text, const std::string& pattern) {
  std::smatch match;
  return std::regex_search(text, match, std::regex(pattern)) ? match[1].str() : "";
}

constexpr const char* kLower =
    "fewer or shorter samples, a smaller --batch, --dtype bfloat16, or another device; with a "
    "smaller MOP_DEVICE_MEMORY (now {}) weights stream instead of staying on the device";

// Adds the memory figures from the message or, failing that, from the device.
Error with_memory(Error error, const std::string& text, const Doing& doing) {
  constexpr const char* kSize = R"(([0-9.]+ ?(?:[KMGT]i?B|bytes)))";
  const auto size_behind = [&](const std::string& words) { return found(text, words + kSize); };
  const std::string gpu = found(text, R"(GPU (\d+))");
  const std::string device = !gpu.empty() ? "cuda:" + gpu : doing.device ? doing.device->str() : "";
  if (!device.empty()) error = std::move(error).where("device", device);
  const std::string needed = size_behind("allocate ");
  error = needed.empty() ? std::move(error).where("cause", first_line(text))
                         : std::move(error).where("needed", needed + " more");
  const std::string total = size_behind("total capacity of "), free = size_behind("of which ");
  if (!free.empty() && !total.empty()) {
    return std::move(error).where("free", free + " of " + total);
  }
  if (!doing.device) return error;
  const std::optional<DeviceMemory> memory = device_memory(*doing.device);
  if (!memory) return error;
  return std::move(error).where(
      "free", fmt::format("{} MiB of {} MiB", memory->free_bytes >> 20, memory->total_bytes >> 20));
}

Error device_memory_error(const std::exception& e, const Doing& doing) {
  const Error error = with_memory(io_error("the device ran out of memory"), text_of(e), doing);
  const char* limit = std::getenv("MOP_DEVICE_MEMORY");
  const std::string now = limit == nullptr || *limit == '\0' ? "not set" : limit;
  return with_circumstances(error, e, doing)
      .hint(doing.lower.empty() ? fmt::format(kLower, now) : doing.lower);
}

Error host_memory_error(const std::exception& e, const Doing& doing) {
  Error error = io_error("out of memory: the machine has none left");
  const std::string bytes = found(text_of(e), R"(tried to allocate (\d+) bytes)");
  if (!bytes.empty()) error = std::move(error).where("needed", bytes + " bytes more");
  if (const int64_t free = free_memory_bytes(); free > 0) {
    error = std::move(error).where("free", fmt::format("{} MiB", free >> 20));
  }
  error = with_circumstances(std::move(error), e, doing);
  return std::move(error).hint(!doing.lower.empty()
                                   ? doing.lower
                                   : "end other programs, or take fewer or shorter samples, a "
                                     "smaller --batch or --dtype bfloat16");
}

// Hints by substrings of the cause; the last row is the default.
struct Advice {
  std::string_view text, hint;
};
constexpr std::array<Advice, 5> kAdvice = {
    {{"no kernel image is available",
      "this LibTorch holds no code for this GPU: run with a build of LibTorch that names its "
      "architecture, or use --device cpu"},
     {"driver version is insufficient",
      "update NVIDIA's driver, or run with a LibTorch built for an older CUDA"},
     {"ECC",
      "the GPU's memory gives wrong values: see `nvidia-smi -q -d ECC`, reset the GPU or use "
      "another one"},
     {"unspecified launch failure",
      "see `dmesg` for NVIDIA's Xid, update the driver, and run again with CUDA_LAUNCH_BLOCKING=1 "
      "to learn which operation fails"},
     {"",
      "run again with CUDA_LAUNCH_BLOCKING=1 to learn which operation fails, with "
      "MOP_CUDA_KERNELS=0 to leave our own kernels out, or under `compute-sanitizer`; update "
      "NVIDIA's driver when it is older than this LibTorch's CUDA"}}};

Error failure_error(const std::exception& e, const Doing& doing) {
  const std::string line = first_line(text_of(e));
  const auto* advice =
      std::ranges::find_if(kAdvice, [&](const Advice& row) { return has(line, row.text); });
  return with_circumstances(io_error("the device failed: {}", line), e, doing)
      .hint(std::string(advice->hint));
}

}  // namespace

bool is_out_of_memory(const std::exception& e) {
  const Cause cause = cause_of(e);
  return cause == Cause::kDeviceMemory || cause == Cause::kHostMemory;
}

std::optional<Error> device_error(const std::exception& e, const Doing& doing) {
  if (dynamic_cast<const Error*>(&e) != nullptr) return std::nullopt;
  // Not from a device, but also from the standard library.
  if (dynamic_cast<const std::filesystem::filesystem_error*>(&e) != nullptr)
    return library_error(e);
  const bool of_libtorch = dynamic_cast<const c10::Error*>(&e) != nullptr;
  switch (cause_of(e)) {
    case Cause::kDeviceMemory:
      return device_memory_error(e, doing);
    case Cause::kHostMemory:
      return host_memory_error(e, doing);
    case Cause::kDevice:
      return failure_error(e, doing);
    case Cause::kNone:
      break;
  }
  if (!of_libtorch) return std::nullopt;
  return with_circumstances(internal_error("LibTorch refused: {}", first_line(text_of(e))), e,
                            doing)
      .hint("TORCH_SHOW_CPP_STACKTRACES=1 shows where");
}

}  // namespace mop
