// cli/console.h -- progress on stderr: one line that is redrawn on a terminal, plain lines
// elsewhere.
#pragma once
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "base/progress.h"

namespace mop {

/// Writes to a stream whose reader may have gone (a pipe's end, a terminal under nohup): a long run
/// does not end because nobody listens.
void tell(std::FILE* stream, std::string_view text) noexcept;

class Console : public Progress {
 public:
  /// `terminal` decides between redrawing and plain lines; those come at most every ten seconds.
  Console(std::FILE* stream, bool terminal);
  ~Console() override;
  void note(std::string_view text) override;
  void warn(std::string_view text) override;
  void begin(std::string_view what, int64_t total) override;
  void advance(int64_t done) override;
  void end() override;
  /// Ends the line being redrawn, for what others print.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  struct Part {
    std::string what;
    int64_t total = 0;
    int64_t done = 0;
    int64_t first = 0;  ///< done when it was first told: what a resumed run need not do again
    Clock::time_point start;
  };
  void draw(bool now);
  std::string status() const;
  double fraction(size_t part) const;

  std::FILE* stream_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point last_draw_{};
  std::vector<Part> parts_;  ///< outermost first
};

}  // namespace mop
