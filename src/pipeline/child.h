// pipeline/child.h -- another program run to its end, or to a limit of time.
#pragma once
#include <string>
#include <vector>

namespace mop {

struct ChildResult {
  int exit = -1;           ///< exit code, or -signal
  bool started = false;    ///< false: there is no such program
  bool timed_out = false;  ///< it and what it started were ended
  std::string out, err;    ///< what it wrote
};

/// Runs `args` (the program first, looked for on PATH) with `environment` ("NAME=value") added to
/// ours. Whatever it does is a result, never an error. Throws Error(kIo) when no process or file
/// can be made, Error(kInterrupted) when a stop is requested.
ChildResult run_child(const std::vector<std::string>& args,
                      const std::vector<std::string>& environment, double timeout_seconds);

}  // namespace mop
