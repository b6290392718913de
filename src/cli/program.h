// cli/program.h -- the command line program as a function, so that a plug-in's main() can first add
// criteria, branches or selectors to the tables.
#pragma once

namespace mop {

/// Runs `mop ARGS`. Returns the exit code: 0 done, 1 failed, 2 usage, 128 + signal when
/// interrupted.
int run_program(int argc, char** argv);

}  // namespace mop
