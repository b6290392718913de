// run/run_log.h -- run/run.log: messages with times. Dates and times are only here and in
// metrics.json's `timing`.
#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/line_file.h"
#include "base/progress.h"

namespace mop {

/// Forwards to another listener, and logs notes and warnings.
class RunLog : public Progress {
 public:
  RunLog(const std::filesystem::path& file, Progress& next);
  void note(std::string_view text) override;
  void warn(std::string_view text) override;
  void begin(std::string_view what, int64_t total) override;
  void begin_steps(std::span<const StepCosts> costs) override;
  void advance(int64_t done) override { next_.advance(done); }
  void end() override;
  /// Returns the active parts of the work, the innermost last: "steps, validation".
  std::string doing() const;

 private:
  void write(std::string_view kind, std::string_view text);
  LineFile file_;
  Progress& next_;
  std::vector<std::string> doing_;
};

/// "2026-01-31T12:00:00Z"
std::string utc_now();

}  // namespace mop
