// tensor/huge_pages.cc
#include "tensor/huge_pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "tensor/mapped_file.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

namespace mop {
namespace {

constexpr size_t kTrial = size_t{16} << 20;  // bytes read to test what the system does

void read_in_order(const MappedRange& range) {
  ::madvise(const_cast<std::byte*>(range.begin), range.bytes, MADV_POPULATE_READ);
}

// Drops the first `bytes` of the range from the page table, then from the page cache.
void drop(const MappedRange& range, size_t bytes) {
  ::madvise(const_cast<std::byte*>(range.begin), bytes, MADV_DONTNEED);
  ::fdatasync(range.file);  // dirty pages cannot be dropped
  ::posix_fadvise(range.file, 0, static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
}

// Returns how many bytes of the range are in huge pages, from /proc/self/smaps.
size_t huge_bytes(const MappedRange& range) {
  const auto begin = reinterpret_cast<unsigned long>(range.begin);
  std::ifstream maps("/proc/self/smaps");
  size_t sum = 0;
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long first = 0, last = 0, kibibytes = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &first, &last) == 2) {
      inside = begin <= first && last <= begin + range.bytes + (1 << 12);
    } else if (inside && std::sscanf(line.c_str(), "FilePmdMapped: %lu kB", &kibibytes) == 1) {
      sum += kibibytes * 1024;
    }
  }
  return sum;
}

bool mostly_huge(const MappedRange& range) { return huge_bytes(range) * 10 >= range.bytes * 9; }

}  // namespace

void read_into_huge_pages(const at::Tensor& mapped, int64_t most_bytes) {
  const std::optional<MappedRange> range = first_look_at_mapping(mapped);
  if (!range || range->bytes > static_cast<size_t>(most_bytes)) return;
  read_in_order(*range);
  if (range->bytes < kTrial || mostly_huge(*range)) return;
  drop(*range, kTrial);
  const size_t before = huge_bytes(*range);
  read_in_order(*range);
  if (huge_bytes(*range) <= before) return;
  drop(*range, range->bytes);
  read_in_order(*range);
}

}  // namespace mop
