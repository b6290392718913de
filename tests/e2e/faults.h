// tests/e2e/faults.h -- the built program with one call of its own that fails or is its last, see
// kit/fault_shim.cc.
#pragma once
#include <memory>
#include <string>

#include "e2e/program.h"

namespace mop::testing {

struct Fault {
  std::string mode;  ///< count, kill, full, broken or unreadable
  int64_t at = 0;    ///< which call, from 1
  fs::path under;    ///< below which folder
};

inline Ran run_with(const Fault& fault, const Args& args, const fs::path& report = {}) {
  const std::map<std::string, std::string> environment = {
      {"LD_PRELOAD", MOP_FAULT_SHIM},
      {"MOP_FAULT", fault.mode},
      {"MOP_FAULT_AT", std::to_string(fault.at)},
      {"MOP_FAULT_UNDER", fault.under.string()},
      {"MOP_FAULT_COUNT", report.string()}};
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  Process process(args);
  for (const auto& [name, value] : environment) ::unsetenv(name.c_str());
  return process.wait();
}

/// How many such calls the command makes.
inline int64_t count_calls(const std::string& mode, const Args& args, const fs::path& under) {
  const TempFolder folder;
  const fs::path report = folder.path() / "count";
  // None is so late: the mode decides what is counted.
  const Ran ran = run_with({mode, mode == "kill" ? 0 : INT64_MAX, under}, args, report);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  return fs::exists(report) ? std::stoll(read_file(report)) : 0;
}

/// `some` numbers of 1..all, evenly spread; all of them where there are no more.
inline std::vector<int64_t> spread(int64_t all, int64_t some) {
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < std::min(all, some); ++i) {
    numbers.push_back(some >= all ? i + 1 : 1 + i * (all - 1) / std::max<int64_t>(some - 1, 1));
  }
  return numbers;
}

}  // namespace mop::testing
