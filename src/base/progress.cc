// base/progress.cc
#include "base/progress.h"

#include <atomic>

#include "base/error.h"

namespace mop {
namespace {
std::atomic<int> stop_signal{0};
}  // namespace

Progress& silent_progress() {
  static Progress silent;
  return silent;
}

void request_stop(int signal) noexcept { stop_signal.store(signal); }
int stop_requested() noexcept { return stop_signal.load(); }

void check_stop() {
  if (stop_signal.load() != 0) {
    throw Error(ErrorKind::kInterrupted, "interrupted");
  }
}

}  // namespace mop
