// tests/fuzz/target.h -- what every target promises: whatever the bytes, they are read, or refused
// by the one kind of error, which never says that the fault is ours.
#pragma once
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"

/// libFuzzer's own mutation of `size` bytes, for targets with a mutator of their own.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace mop::testing {

template <typename Read>
int judge(Read read, const uint8_t* data, size_t size) {
  try {
    read(std::string(reinterpret_cast<const char*>(data), size));
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kInternal) return 0;
    std::fprintf(stderr, "%s\n", e.what());
    std::abort();
  }
  return 0;
}

/// A folder in memory, this process's own.
inline const std::filesystem::path& folder() {
  static const std::filesystem::path path = [] {
    const std::filesystem::path made = "/dev/shm/mop-fuzz-" + std::to_string(::getpid());
    std::filesystem::create_directories(made);
    std::atexit([] { std::filesystem::remove_all(folder()); });
    return made;
  }();
  return path;
}

/// The bytes as a file of this name.
inline std::filesystem::path file_of(const std::string& bytes, const std::string& name) {
  const std::filesystem::path file = folder() / name;
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  return file;
}

}  // namespace mop::testing

/// MOP_FUZZ(bytes) { what reads them }
#define MOP_FUZZ(bytes)                                                     \
  static void read_bytes(const std::string& bytes);                         \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    return mop::testing::judge(read_bytes, data, size);                     \
  }                                                                         \
  static void read_bytes(const std::string& bytes)
