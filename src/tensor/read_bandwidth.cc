// tensor/read_bandwidth.cc
#include "tensor/read_bandwidth.h"

#include <ATen/Parallel.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/stopwatch.h"
#include "tensor/clones.h"
#include "tensor/shared_tasks.h"

namespace mop {
namespace {

constexpr int64_t kWordsPerTask = 1 << 16;  // 512 KiB

// Reads four streams at a time, as the products of decoding do.
MOP_CLONES uint64_t sum_of(const uint64_t* words, int64_t count) {
  const int64_t quarter = count / 4;
  const uint64_t *a = words, *b = a + quarter, *c = b + quarter, *d = c + quarter;
  uint64_t sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < quarter; ++i) sum += (a[i] ^ b[i]) + (c[i] ^ d[i]);
  return sum;
}

}  // namespace

ReadProbe::ReadProbe(int64_t bytes) {
  count_ = std::max<int64_t>(1, bytes / 8 / kWordsPerTask) * kWordsPerTask;
  const auto size = static_cast<size_t>(count_) * 8;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw io_error("no memory for a probe of {} bytes: {}", size, std::strerror(errno));
  }
  ::madvise(memory, size, MADV_HUGEPAGE);
  std::memset(memory, 1, size);  // untouched pages would all map to one page of zeros
  words_ = static_cast<uint64_t*>(memory);
}

ReadProbe::~ReadProbe() { ::munmap(words_, static_cast<size_t>(count_) * 8); }

double ReadProbe::measure() const {
  std::atomic<uint64_t> sum{0};
  const Stopwatch watch;
  shared_tasks(count_ / kWordsPerTask, [&](int64_t task) {
    sum.fetch_add(sum_of(words_ + task * kWordsPerTask, kWordsPerTask));
  });
  return static_cast<double>(count_) * 8 / watch.seconds();
}

}  // namespace mop
