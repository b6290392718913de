// eval/tasks/for_records.h -- records on all threads, told of in their order.
#pragma once
#include <ATen/Parallel.h>

#include <cstdint>
#include <exception>
#include <vector>

#include "base/error.h"
#include "base/progress.h"

namespace mop {

/// Calls work(i) for each of 0..count-1, several at a time. Of the errors it throws, the one of the
/// smallest i comes out, after the others' work is done.
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
