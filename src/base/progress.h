// base/progress.h -- how the library tells what it is doing. It never prints; the program listens.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// What the parts cost that a step is made of, in order and in any one unit; none = next to
/// nothing.
using StepCosts = std::vector<double>;

/// Receives what a long call reports. The default implementation is silent.
class Progress {
 public:
  virtual ~Progress() = default;
  /// One line worth keeping (also in run.log).
  virtual void note(std::string_view text) {}
  /// Something the user should know but that stops nothing.
  virtual void warn(std::string_view text) {}
  /// A part of the work begins: `total` units (layers, tokens, bytes) are to come.
  virtual void begin(std::string_view what, int64_t total) {}
  /// As begin("steps", costs.size()), where the steps and the parts inside each do not cost the
  /// same.
  virtual void begin_steps(std::span<const StepCosts> costs) { begin("steps", std::ssize(costs)); }
  /// `done` of the announced units are done.
  virtual void advance(int64_t done) {}
  virtual void end() {}
};

/// Listens to nothing.
Progress& silent_progress();

/// Asks running work to stop (async-signal-safe). `signal` is remembered for the exit code.
void request_stop(int signal) noexcept;
/// The signal that asked to stop, 0 when none did.
int stop_requested() noexcept;
/// Throws Error(kInterrupted) when a stop was requested. Called between layers and between steps.
void check_stop();

}  // namespace mop
