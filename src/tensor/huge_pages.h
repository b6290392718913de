// tensor/huge_pages.h -- loads files into huge pages of the page cache where the file system
// supports it (Linux 6.16 and later on ext4, earlier on XFS). Decoding reads weights about 17%
// faster from them. Otherwise the page size depends on which program first read or wrote the file,
// and two copies of one model measure differently.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace mop {

/// Reads the mapped file that contains `mapped` sequentially, which puts it into huge pages. Small
/// pages in the cache are dropped first, unless another process has the file mapped. Does nothing
/// on later calls, for memory that is not mapped, for files larger than `most_bytes`, and where the
/// system has no huge pages for files.
void read_into_huge_pages(const at::Tensor& mapped, int64_t most_bytes);

/// A whole mapping and its file descriptor.
struct MappedRange {
  const std::byte* begin;
  size_t bytes;
  int file;
};
/// Returns the mapping that contains `mapped` on the first call for it; nullopt on later calls and
/// for memory that is not mapped (mapped_file.cc).
std::optional<MappedRange> first_look_at_mapping(const at::Tensor& mapped);

}  // namespace mop
