// tensor/shared_tasks.h -- equal tasks, which threads take one by one: a thread that wakes late or
// loses its processor for a moment holds nobody up, as it would with a share fixed beforehand.
#pragma once
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace mop {

/// Calls work(task) for each of 0..tasks-1, on all threads, in no particular order.
template <typename Work>
void shared_tasks(int64_t tasks, const Work& work) {
  const int64_t threads = std::min<int64_t>(tasks, at::get_num_threads());
  std::atomic<int64_t> next{0};
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) work(task);
  });
}

}  // namespace mop
