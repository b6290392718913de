// tensor/mapped_file.h -- read-only memory-mapped files. A file that shrinks or cannot be read
// while it is mapped causes an error at the next `check_mappings()` instead of a crash.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "tensor/dtype.h"

namespace mop {

struct Mapping;

/// Read-only bytes of a file; unmapped when the last shared pointer is released.
class MappedFile {
 public:
  /// Throws Error(kIo) when the file cannot be opened or mapped or is not a regular file.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile() = default;
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  int file_ = -1;               // kept open to query the file's size, even after a rename
  Mapping* mapping_ = nullptr;  // this file's row in the table of the SIGBUS handler
};

/// Returns a tensor over bytes of the mapping without a copy; the tensor keeps the mapping alive
/// and must not be written to. Bytes misaligned for `dtype` are copied. `begin` is the byte offset
/// in the file. Throws Error(kInternal) when the tensor exceeds the file.
at::Tensor tensor_view(const std::shared_ptr<const MappedFile>& file, size_t begin,
                       at::IntArrayRef shape, DType dtype);

/// Throws Error(kIo) naming the file when a mapped file is now shorter than when it was opened, or
/// could not be read. Such reads returned zeros meanwhile, so call this before using results
/// computed from mapped weights. Costs one fstat per mapped file.
void check_mappings();

/// Asks the system to read the bytes of `mapped` (a contiguous view of a mapping) ahead, without
/// blocking. Does nothing for other memory.
void prefetch(const at::Tensor& mapped);
/// Releases the pages of `mapped`, which are read again on the next access. For passes over files
/// larger than memory. Does nothing for other memory.
void release(const at::Tensor& mapped);

}  // namespace mop
