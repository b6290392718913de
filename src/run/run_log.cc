// run/run_log.cc
#include "run/run_log.h"

#include <fmt/chrono.h>
#include <fmt/ranges.h>

#include "base/plain_text.h"

namespace mop {

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

RunLog::RunLog(const std::filesystem::path& file, Progress& next) : file_(file), next_(next) {}

void RunLog::note(std::string_view text) {
  next_.note(text);
  write("", text);
}

void RunLog::warn(std::string_view text) {
  next_.warn(text);
  write("warning: ", text);
}

void RunLog::begin(std::string_view what, int64_t total) {
  doing_.emplace_back(what);
  next_.begin(what, total);
}

void RunLog::begin_steps(std::span<const StepCosts> costs) {
  doing_.emplace_back("steps");
  next_.begin_steps(costs);
}

void RunLog::end() {
  if (!doing_.empty()) doing_.pop_back();
  next_.end();
}

std::string RunLog::doing() const { return fmt::format("{}", fmt::join(doing_, ", ")); }

void RunLog::write(std::string_view kind, std::string_view text) {
  file_.add(fmt::format("{}  {}{}", utc_now(), kind, plain_block(text)));
}

}  // namespace mop
