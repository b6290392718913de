// tensor/huge_pages.h -- files in huge pages of the system's cache, where it keeps them so (Linux
// 6.16 and later on ext4, earlier on XFS). Weights that are read again for every token come a
// sixth faster from them. Which pages hold a file depends on who read or wrote it first: without
// this two copies of one model measure differently.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace mop {

/// Reads the whole mapped file that `mapped` lies in, in order, which puts it in huge pages; what
/// the cache holds in small ones is first dropped from it, where no other process has it mapped.
/// Nothing happens the second time, for other memory, for files of more than `most_bytes`, and
/// where the system does not keep files so.
void read_into_huge_pages(const at::Tensor& mapped, int64_t most_bytes);

/// A whole mapping, and its file while it lives.
struct MappedRange {
  const std::byte* begin;
  size_t bytes;
  int file;
};
/// The mapping that `mapped` lies in, the first time that somebody asks for it; nothing later, or
/// for other memory (mapped_file.cc).
std::optional<MappedRange> first_look_at_mapping(const at::Tensor& mapped);

}  // namespace mop
