// run/run_folder.cc
#include "run/run_folder.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/file_error.h"
#include "base/files.h"
#include "base/read_values.h"

namespace mop {
namespace fs = std::filesystem;

bool holds_run(const fs::path& folder) {
  if (!fs::exists(folder / "run" / "manifest.json")) return false;
  const Json manifest = read_json(folder / "run" / "manifest.json");
  return word_of(manifest, "program") == "mop";
}

fs::path working_folder(const fs::path& out) { return out.string() + ".partial"; }

fs::path step_folder(const fs::path& run, int64_t number) {
  return run / "steps" / fmt::format("{:02}", number);
}

namespace {

// Removes what nothing but resuming needs from the rounds of training of a run.
void clean_rounds(const fs::path& run) {
  if (!fs::exists(run / "rounds")) return;
  for (const auto& round : fs::directory_iterator(run / "rounds")) {
    for (const char* part : {"state", "trained", "writing"}) fs::remove_all(round.path() / part);
  }
}

// Marks a working folder of this program and carries the lock. Its text says whether DIR may be
// replaced and, when the folder is complete and about to become DIR, that it is complete. So after
// an exchange of the two folders, DIR.partial is known to be the old result.
constexpr const char* kMarker = ".mop-working";
constexpr const char* kMayReplace = "replace";
constexpr const char* kWhole = "whole";
constexpr const char* kWholeForOld = "replaces";
// In the complete working folder: the old result, on file systems that cannot exchange folders.
constexpr const char* kOldResult = ".mop-old";
// Folders in run/ that an interrupted run continues from; removed from the result.
constexpr std::array kOnlyToResume = {"state", "initial"};

[[noreturn]] void fail(const char* doing, const fs::path& path, int error) {
  throw file_error(doing, path, error);
}

bool is_empty_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error) && fs::is_empty(path, error) && !error;
}

// Returns the absolute path with symlinks resolved as far as it exists, without a trailing slash.
fs::path real_path(const fs::path& path) {
  const fs::path resolved = fs::weakly_canonical(fs::absolute(path));
  return resolved.has_filename() ? resolved : resolved.parent_path();
}

bool is_inside(const fs::path& inner, const fs::path& outer) {
  const auto [o, i] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return o == outer.end();
}

void refuse_overlap(const fs::path& out, const fs::path& model) {
  if (!is_inside(out, model) && !is_inside(model, out)) return;
  throw usage_error("--out and the model must not overlap")
      .where("out", out.string())
      .where("model", model.string())
      .hint("choose an output folder that is neither inside the model's folder nor around it");
}

// `real_path` has followed every link that leads somewhere.
void refuse_dangling_link(const fs::path& out) {
  std::error_code error;
  if (!fs::is_symlink(fs::symlink_status(out, error))) return;
  throw usage_error("--out is a link to a folder that does not exist")
      .where("out", out.string())
      .hint("make that folder, or remove the link");
}

void refuse_file(const fs::path& out) {
  refuse_dangling_link(out);
  if (!fs::exists(out) || fs::is_directory(out)) return;
  throw usage_error("--out is a file, not a folder").where("out", out.string());
}

// Checks that a rename can make the working folder the output folder.
void check_place(const fs::path& out) {
  const fs::path parent = out.parent_path();
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) fail("make the folder", parent, error.value());
  refuse_file(out);
  if (::access(parent.c_str(), W_OK | X_OK) != 0) fail("write into the folder", parent, errno);
  struct stat above {
  }, itself{};
  if (::stat(parent.c_str(), &above) == 0 && ::stat(out.c_str(), &itself) == 0 &&
      above.st_dev != itself.st_dev) {
    throw usage_error("--out is a mount point and cannot be replaced by a rename")
        .where("out", out.string())
        .hint("choose a folder inside it: --out " + (out / "model").string());
  }
}

bool marked(const fs::path& folder, const char* text) {
  const fs::path marker = folder / kMarker;
  return fs::exists(marker) && read_file(marker).starts_with(text);
}

bool is_whole(const fs::path& folder) {
  return holds_run(folder) && (marked(folder, kWhole) || marked(folder, kWholeForOld));
}

void refuse_working_folder(const fs::path& out) {
  if (!fs::exists(out / kMarker) || is_whole(out)) return;
  throw usage_error("--out is the working folder of a run that has not finished")
      .where("out", out.string())
      .hint("continue that run, with its own --out and --resume, or choose another folder");
}

void check_replaceable(const fs::path& out) {
  if (!fs::exists(out) || is_empty_folder(out) || holds_run(out)) return;
  throw usage_error("the output folder has files that were not written by mop")
      .where("out", out.string())
      .hint("--force replaces only a folder with run/manifest.json of an earlier run");
}

void check_new(const fs::path& out, const fs::path& work) {
  if (fs::exists(out) && !is_empty_folder(out)) {
    throw usage_error("the output folder is not empty")
        .where("out", out.string())
        .hint("--force replaces an earlier result; or choose another folder");
  }
  if (fs::exists(work) && !is_empty_folder(work)) {
    throw usage_error("an earlier run into this folder was interrupted or is still running")
        .where("work", work.string())
        .hint("--resume continues it, --force starts over");
  }
}

// Writes in place: after a kill at any moment the text begins with the old or the new word.
void write_marker(int marker, const fs::path& path, std::string_view text) {
  const auto size = static_cast<off_t>(text.size());
  if (::pwrite(marker, text.data(), text.size(), 0) != size || ::ftruncate(marker, size) != 0 ||
      ::fsync(marker) != 0) {
    fail("write", path, errno);
  }
}

// Opens the marker and locks it for the lifetime of the process. It is created by opening it, not
// by a rename, so that two runs started at the same time lock the same file.
int lock(const fs::path& marker) {
  const int fd = ::open(marker.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) fail("write", marker, errno);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(fd);
    if (error != EWOULDBLOCK) fail("lock", marker, error);
    throw io_error("another run is using this folder").where("work", marker.parent_path().string());
  }
  // Another run may have finished and renamed the folder between open and lock.
  struct stat here {
  }, opened{};
  if (::stat(marker.c_str(), &here) != 0 || ::fstat(fd, &opened) != 0 ||
      here.st_ino != opened.st_ino) {
    ::close(fd);
    throw io_error("another run has just finished in this folder")
        .where("work", marker.parent_path().string());
  }
  return fd;
}

// Makes `work` the output folder, in which there is an old result: it becomes the working folder
// or, on file systems without exchange, moves into the new result. `tidy` removes either.
void take_place(const fs::path& work, const fs::path& out) {
  if (::syscall(SYS_renameat2, AT_FDCWD, work.c_str(), AT_FDCWD, out.c_str(), RENAME_EXCHANGE) == 0)
    return;
  if (errno != EINVAL && errno != ENOSYS) fail("rename to the output folder", out, errno);
  const fs::path old = work / kOldResult;
  if (::rename(out.c_str(), old.c_str()) != 0) fail("rename", out, errno);
  // A kill here leaves no output folder: the next run goes on with `finish_take_place`.
  if (::rename(work.c_str(), out.c_str()) == 0) return;
  const int error = errno;
  ::rename(old.c_str(), out.c_str());
  fail("rename to the output folder", out, error);
}

// Ends what a kill interrupted between the two renames of `take_place`.
void finish_take_place(const fs::path& work, const fs::path& out) {
  const fs::path old = work / kOldResult;
  if (fs::exists(out) || !fs::exists(old) || !fs::exists(work / kMarker)) return;
  const int marker = lock(work / kMarker);
  const fs::path& from = is_whole(work) ? work : old;
  const int error = ::rename(from.c_str(), out.c_str()) == 0 ? 0 : errno;
  ::close(marker);
  if (error != 0) fail("rename to the output folder", out, error);
  sync_path(out.parent_path());
}

}  // namespace

struct RunFolder::State {
  fs::path out, work;
  Json earlier;
  bool finished = false;
  bool may_replace = false;
  int lock = -1;
  ~State() {
    if (lock >= 0) ::close(lock);
  }
};

RunFolder::RunFolder(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunFolder::RunFolder(RunFolder&&) noexcept = default;
RunFolder::~RunFolder() = default;

const fs::path& RunFolder::out() const { return state_->out; }
const fs::path& RunFolder::work() const { return state_->work; }
const Json& RunFolder::earlier() const { return state_->earlier; }
bool RunFolder::finished() const { return state_->finished; }

fs::path RunFolder::step(int64_t number) const { return step_folder(run(), number); }

namespace {

// Removes what is not needed once DIR is complete: the old result, and files for resuming. The
// marker, which records this, is removed last.
void tidy(const fs::path& out, const fs::path& work) {
  if (marked(out, kWholeForOld)) fs::remove_all(work);
  fs::remove_all(out / kOldResult);
  for (const char* name : kOnlyToResume) fs::remove_all(out / "run" / name);
  clean_rounds(out / "run");
  fs::remove(out / kMarker);
}

}  // namespace

void check_output_folder(const fs::path& out, const fs::path& model) {
  const fs::path place = real_path(out);
  refuse_overlap(place, real_path(model));
  refuse_file(place);
  refuse_working_folder(place);
  check_replaceable(place);
}

RunFolder RunFolder::claim(const fs::path& out, const fs::path& model, IfThere if_there) {
  auto state = std::make_unique<State>();
  state->out = real_path(out);
  state->work = working_folder(state->out);
  refuse_overlap(state->out, real_path(model));
  check_place(state->out);
  finish_take_place(state->work, state->out);
  refuse_working_folder(state->out);
  const fs::path marker = state->work / kMarker;
  if (if_there == IfThere::kRefuse) check_new(state->out, state->work);
  // Removes leftovers of a run that was killed after its rename.
  if (if_there != IfThere::kRefuse && is_whole(state->out)) tidy(state->out, state->work);
  if (if_there == IfThere::kReplace) check_replaceable(state->out);
  if (if_there == IfThere::kResume) {
    if (!fs::exists(marker) && holds_run(state->out)) {
      state->earlier = read_json(state->out / "run" / "manifest.json");
      state->finished = true;
      return RunFolder(std::move(state));
    }
  }
  if (fs::exists(state->work) && !is_empty_folder(state->work) && !fs::exists(marker)) {
    throw usage_error("the working folder has files that were not written by mop")
        .where("work", state->work.string())
        .hint("remove it or choose another --out");
  }
  // Also on resuming: DIR may have been filled in the meantime.
  const bool may_replace = if_there == IfThere::kReplace || marked(state->work, kMayReplace);
  if (!may_replace) check_new(state->out, "");
  if (::mkdir(state->work.c_str(), 0777) != 0 && errno != EEXIST) {
    fail("make the folder", state->work, errno);
  }
  state->lock = lock(marker);
  state->may_replace = may_replace;
  write_marker(state->lock, marker, state->may_replace ? kMayReplace : "");
  RunFolder folder(std::move(state));
  if (if_there == IfThere::kReplace) fs::remove_all(folder.run());
  if (fs::exists(folder.run() / "manifest.json")) {
    folder.state_->earlier = read_json(folder.run() / "manifest.json");
  }
  folder.clean();
  return folder;
}

void RunFolder::clean() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(work())) {
    const std::string name = entry.path().filename();
    if (name != "run" && name != kMarker) fs::remove_all(entry.path(), error);
  }
  fs::create_directories(run() / "steps", error);
  if (error) fail("make the folder", run() / "steps", error.value());
  std::vector<fs::path> halves;
  for (const auto& entry : fs::recursive_directory_iterator(run())) {
    if (entry.path().filename().string().find(".tmp") != std::string::npos)
      halves.push_back(entry.path());
  }
  for (const fs::path& half : halves) fs::remove(half, error);
}

void RunFolder::discard() {
  // The marker is removed last, so that after a kill the folder is still recognised.
  for (const auto& entry : fs::directory_iterator(work())) {
    if (entry.path().filename() != kMarker) fs::remove_all(entry.path());
  }
  fs::remove_all(work());
}

void RunFolder::publish() {
  for (const auto& entry : fs::recursive_directory_iterator(work())) sync_path(entry.path());
  sync_path(work());
  const bool replaces = fs::exists(out()) && !is_empty_folder(out());
  if (replaces) check_replaceable(out());
  write_marker(state_->lock, work() / kMarker, replaces ? kWholeForOld : kWhole);
  if (replaces) {
    take_place(work(), out());
  } else if (::rename(work().c_str(), out().c_str()) != 0) {
    fail("rename to the output folder", out(), errno);
  }
  sync_path(out().parent_path());
  tidy(out(), work());
}

Json finished_result(const RunFolder& folder, Progress& progress) {
  progress.note("nothing to do: the run is complete");
  const fs::path file = folder.out() / "run" / "metrics.json";
  Json metrics = read_json(file);
  if (!metrics.is_object()) {
    throw bad_input("the metrics of the finished run must be an object").where("file", file);
  }
  metrics["out"] = folder.out().string();
  return metrics;
}

void rethrow_resumable(const Doing& doing) {
  const auto resumable = [](Error error) {
    if (error.kind() == ErrorKind::kUsage || error.kind() == ErrorKind::kInternal) return error;
    return Error(std::move(error).where(
        "resume", "completed work is kept; the same command with --resume continues"));
  };
  try {
    throw;
  } catch (const Error& e) {
    throw resumable(e);
  } catch (const std::exception& e) {
    std::optional<Error> error = device_error(e, doing);
    if (error) throw resumable(*std::move(error));
    throw;
  }
}

}  // namespace mop
