// base/progress.h -- progress reports of the library. The library never prints; the caller receives
// the reports.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// Costs of the parts of a step, in order, in any one unit. Empty means negligible.
using StepCosts = std::vector<double>;

/// Receives the reports of a long call. The default implementation is silent.
class Progress {
 public:
  virtual ~Progress() = default;
  /// A line to keep, also in run.log.
  virtual void note(std::string_view text) {}
  /// A problem the user should know about; the work continues.
  virtual void warn(std::string_view text) {}
  /// A part of the work begins: `total` units (layers, tokens, bytes).
  virtual void begin(std::string_view what, int64_t total) {}
  /// Like begin("steps", costs.size()), for steps whose parts differ in cost.
  virtual void begin_steps(std::span<const StepCosts> costs) { begin("steps", std::ssize(costs)); }
  /// Reports `done` units of the current part as complete.
  virtual void advance(int64_t done) {}
  virtual void end() {}
};

/// Ignores all reports.
Progress& silent_progress();

/// Requests running work to stop (async-signal-safe). `signal` sets the exit code.
void request_stop(int signal) noexcept;
/// Returns the signal that requested the stop, or 0.
int stop_requested() noexcept;
/// Throws Error(kInterrupted) when a stop was requested. Called between layers and between steps.
void check_stop();

}  // namespace mop
