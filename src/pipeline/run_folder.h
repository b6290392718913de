// pipeline/run_folder.h -- where a run works and how its result appears.
//
// The work happens in DIR.partial, a neighbour of the output folder DIR, which holds the checkpoint
// and run/. When everything is written and flushed, one rename makes it DIR. So DIR is there whole
// or not at all, whatever happens, and what was there before stays until then.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/json.h"
#include "base/progress.h"
#include "tensor/device_error.h"

namespace mop {

enum class IfThere {
  kRefuse,  ///< a non-empty output folder, or an interrupted run, is an error
  kResume,  ///< continue what was interrupted; start when there is nothing
  kReplace  ///< start over, and replace a folder that holds our manifest
};

class RunFolder {
 public:
  /// Claims DIR.partial for this process. Touches nothing else. Throws Error(kUsage) when `out`
  /// overlaps `model` or must not be replaced, Error(kIo) when it cannot be written or another run
  /// is at work there.
  static RunFolder claim(const std::filesystem::path& out, const std::filesystem::path& model,
                         IfThere if_there);
  ~RunFolder();
  RunFolder(RunFolder&&) noexcept;

  const std::filesystem::path& out() const;
  /// The working folder; files of the checkpoint go here.
  const std::filesystem::path& work() const;
  std::filesystem::path run() const { return work() / "run"; }
  std::filesystem::path step(int64_t number) const;
  /// The manifest of the interrupted run that this one continues, or of the finished one in DIR;
  /// null when the run is new.
  const Json& earlier() const;
  /// Whether DIR already holds the whole result.
  bool finished() const;

  /// Removes what an interrupted write left behind: everything but whole files of run/.
  void clean();
  /// Removes the working folder of a run that has not begun.
  void discard();
  /// Flushes everything, renames the working folder to DIR, and only then removes what nothing but
  /// resuming needs, run/state and run/initial. Nothing may be written afterwards.
  void publish();

 private:
  struct State;
  explicit RunFolder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Whether `folder` holds a run of mop: its manifest.
bool holds_run(const std::filesystem::path& folder);
/// Where a run with this output folder works until its result is whole.
std::filesystem::path working_folder(const std::filesystem::path& out);
/// Where a step of the run lies, from 1; `run`: its folder `run`.
std::filesystem::path step_folder(const std::filesystem::path& run, int64_t number);

/// The metrics of a run whose result is complete.
Json finished_result(const RunFolder& folder, Progress& progress);

/// Inside a handler of a run that has begun: throws the exception at hand again as what the user
/// sees. What LibTorch, CUDA and the allocators throw becomes an Error (tensor/device_error.h) made
/// with `doing`; errors that leave the run's files usable say how to
/// continue.
[[noreturn]] void rethrow_resumable(const Doing& doing);

}  // namespace mop
