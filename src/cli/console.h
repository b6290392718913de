// cli/console.h -- progress on stderr: one line, redrawn, on a terminal; separate lines elsewhere.
#pragma once
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "base/progress.h"

namespace mop {

/// Writes to a stream and ignores errors: a long run must not end because the reader is gone (a
/// closed pipe, a terminal under nohup).
void write_ignoring_errors(std::FILE* stream, std::string_view text) noexcept;

class Console : public Progress {
 public:
  using Clock = std::chrono::steady_clock;
  using Now = std::function<Clock::time_point()>;
  /// `terminal` selects redrawing; otherwise progress lines appear at most every ten seconds.
  Console(std::FILE* stream, bool terminal, Now now = Clock::now);
  ~Console() override;
  void note(std::string_view text) override;
  void warn(std::string_view text) override;
  void begin(std::string_view what, int64_t total) override;
  void begin_steps(std::span<const StepCosts> costs) override;
  void advance(int64_t done) override;
  void end() override;
  /// Clears the redrawn line before other output.
  void clear();

 private:
  struct Part {
    std::string what;
    int64_t total = 0;
    std::vector<StepCosts> costs;  ///< per unit; empty = all cost the same
    Clock::time_point start;
    int64_t done = 0;
    int64_t first = 0;  ///< units done at the first report: those that a resumed run skips
    size_t ended = 0;   ///< parts that ended in the current unit
  };
  void draw(bool now);
  std::string status() const;
  double spent(size_t part) const;
  double expected(size_t part) const;
  double fraction(size_t part) const;
  std::string time_left() const;

  std::FILE* stream_;
  bool terminal_;
  Now now_;
  bool drawn_ = false;
  Clock::time_point last_draw_{};
  std::vector<Part> parts_;  ///< outermost first
};

}  // namespace mop
