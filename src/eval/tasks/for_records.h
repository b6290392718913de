// eval/tasks/for_records.h -- processes records on all threads.
#pragma once
#include <ATen/Parallel.h>

#include <cstdint>
#include <exception>
#include <vector>

#include "base/error.h"
#include "base/progress.h"

namespace mop {

/// Calls work(i) for each of 0..count-1 in parallel. Throws the error of the smallest i, after all
/// calls are done.
template <typename Work>
void for_records(size_t count, const Work& work) {
  constexpr int64_t kTogether = 16;
  std::vector<std::exception_ptr> errors(count);
  at::parallel_for(0, static_cast<int64_t>(count), kTogether, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      check_stop();
      try {
        work(i);
      } catch (const Error&) {
        errors[i] = std::current_exception();
      }
    }
  });
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace mop
