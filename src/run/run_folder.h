// run/run_folder.h -- the working folder of a run and its output folder.
//
// A run works in DIR.partial beside the output folder DIR; it contains the checkpoint and run/.
// When all files are written and flushed, a rename makes it DIR. So DIR is complete or absent, and
// an earlier DIR remains until then.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/json.h"
#include "base/progress.h"
#include "tensor/device_error.h"

namespace mop {

enum class IfThere {
  kRefuse,  ///< a non-empty output folder or an interrupted run is an error
  kResume,  ///< continue an interrupted run, or start a new one
  kReplace  ///< start over, and replace a folder with a manifest of this program
};

class RunFolder {
 public:
  /// Creates and locks DIR.partial for this process; changes nothing else, except that it ends a
  /// replacement of DIR that a kill interrupted. Throws Error(kUsage) if `out` overlaps `model` or
  /// must not be replaced, Error(kIo) if it cannot be written or another run is using it.
  static RunFolder claim(const std::filesystem::path& out, const std::filesystem::path& model,
                         IfThere if_there);
  ~RunFolder();
  RunFolder(RunFolder&&) noexcept;

  const std::filesystem::path& out() const;
  /// The working folder, for the files of the checkpoint.
  const std::filesystem::path& work() const;
  std::filesystem::path run() const { return work() / "run"; }
  std::filesystem::path step(int64_t number) const;
  /// The manifest of the interrupted run that this run continues, or of the finished run in DIR;
  /// null for a new run.
  const Json& earlier() const;
  /// Whether DIR already contains the complete result.
  bool finished() const;

  /// Removes leftovers of an interrupted write: everything except complete files of run/.
  void clean();
  /// Removes the working folder of a run that has not started.
  void discard();
  /// Flushes all files, renames the working folder to DIR, then removes run/state and run/initial,
  /// which only resuming needs. Nothing may be written afterwards.
  void publish();

 private:
  struct State;
  explicit RunFolder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Whether `folder` contains a manifest of this program.
bool holds_run(const std::filesystem::path& folder);
/// Throws Error(kUsage) if no run of `model` can write to `out`: it overlaps the model, is a file,
/// or holds files that were not written by this program. Changes nothing. `claim` checks more.
void check_output_folder(const std::filesystem::path& out, const std::filesystem::path& model);
/// Returns the working folder for an output folder.
std::filesystem::path working_folder(const std::filesystem::path& out);
/// Returns the folder of step `number` (from 1); `run`: the folder run/.
std::filesystem::path step_folder(const std::filesystem::path& run, int64_t number);

/// Returns the metrics of a finished run.
Json finished_result(const RunFolder& folder, Progress& progress);

/// Call in a catch block of a run that has started: rethrows the current exception for the user.
/// Exceptions of LibTorch, CUDA and the allocators become an Error (tensor/device_error.h) made
/// with `doing`; for errors that leave the run's files usable, a hint explains how to continue.
[[noreturn]] void rethrow_resumable(const Doing& doing);

}  // namespace mop
