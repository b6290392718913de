// jobs/child.h -- runs another program to completion or a time limit.
#pragma once
#include <string>
#include <vector>

namespace mop {

struct ChildResult {
  int exit = -1;           ///< exit code, or -signal
  bool started = false;    ///< false = the program was not found
  bool timed_out = false;  ///< the process and its children were terminated
  std::string out, err;    ///< its output
};

/// Runs `args` (the program first, searched on PATH) with `environment` ("NAME=value") added to the
/// current one. Failures of the program are results, not errors. Throws Error(kIo) if no process or
/// file can be created, Error(kInterrupted) on a stop request.
ChildResult run_child(const std::vector<std::string>& args,
                      const std::vector<std::string>& environment, double timeout_seconds);

}  // namespace mop
