// tensor/mapped_file.h -- a file mapped read-only. A file that shrinks while it is mapped, or that
// the disk does not give, becomes an error at the next `check_mappings()`, not a crash.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "tensor/dtype.h"

namespace mop {

struct Mapping;

/// Read-only bytes of a file, shared by everyone who holds the pointer; unmapped with the last one.
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
  int file_ = -1;               // kept open to ask for the file's size, even after a rename
  Mapping* mapping_ = nullptr;  // this file's row in the table the SIGBUS handler reads
};

/// A tensor over bytes of the mapping, without a copy; it keeps the mapping alive. It must not be
/// written to. Bytes misaligned for `dtype` are copied. `begin` is in bytes from the file's start.
/// Throws Error(kInternal) when the tensor does not lie inside the file.
at::Tensor tensor_view(const std::shared_ptr<const MappedFile>& file, size_t begin,
                       at::IntArrayRef shape, DType dtype);

/// Throws Error(kIo) naming the file when a mapped file turned out shorter than when it was opened,
/// or could not be read. Reads gave zeros in the meantime: whoever computed with mapped weights
/// calls this before its result is used. Costs one fstat a mapped file.
void check_mappings();

/// Asks the system to read the bytes of `mapped` (a contiguous view of a mapping) ahead, without
/// waiting. Does nothing for other memory.
void prefetch(const at::Tensor& mapped);
/// Gives back the pages of `mapped`, which will not be needed soon: for passes over files larger
/// than memory. They are read again when touched. Does nothing for other memory.
void release(const at::Tensor& mapped);

}  // namespace mop
