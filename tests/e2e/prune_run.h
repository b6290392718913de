// tests/e2e/prune_run.h -- pruning runs of the demo model in a folder of the test's own.
#pragma once
#include <string>

#include "e2e/program.h"

namespace mop::testing {

class PruneRun : public ::testing::Test {
 protected:
  fs::path folder(const std::string& name) const { return temp_.path() / name; }
  Ran prune(const std::string& name, const Args& more) {
    return run(prune_args(folder(name), more));
  }
  Json read(const std::string& file) const { return read_json(temp_.path() / file); }
  TempFolder temp_;
};

}  // namespace mop::testing
