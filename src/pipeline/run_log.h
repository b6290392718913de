// pipeline/run_log.h -- run/run.log: what was said, and when. Dates and times live here and in
// metrics.json's `timing` alone.
#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/line_file.h"
#include "base/progress.h"

namespace mop {

/// Passes everything on to another listener, and writes notes and warnings down.
class RunLog : public Progress {
 public:
  RunLog(const std::filesystem::path& file, Progress& next);
  void note(std::string_view text) override;
  void warn(std::string_view text) override;
  void begin(std::string_view what, int64_t total) override;
  void begin_steps(std::span<const StepCosts> costs) override;
  void advance(int64_t done) override { next_.advance(done); }
  void end() override;
  /// The parts of the work that have begun and not ended, the inner one last: "steps, validation".
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
