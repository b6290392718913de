// tensor/shared_tasks.h -- dynamic scheduling: threads take equal tasks one by one, so that a
// thread that wakes late or is descheduled does not delay the others, as it would with fixed
// shares.
#pragma once
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace mop {

/// Calls work(task) for each of 0..tasks-1, in no particular order, on at most `most_threads`
/// threads: waking a thread costs tens of microseconds.
template <typename Work>
void shared_tasks(int64_t tasks, const Work& work, int64_t most_threads = 1 << 16) {
  const int64_t threads = std::min<int64_t>({tasks, most_threads, at::get_num_threads()});
  if (threads == 1) {
    for (int64_t task = 0; task < tasks; ++task) work(task);
    return;
  }
  std::atomic<int64_t> next{0};
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) work(task);
  });
}

}  // namespace mop
