// hub/cache.cc
#include "hub/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/file_error.h"
#include "base/files.h"
#include "hub/model_id.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

constexpr auto kPollEvery = std::chrono::milliseconds(100);
constexpr auto kTellAfter = std::chrono::seconds(3);

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw io_error("cannot make a folder of the model cache: {}", error.message())
        .where("folder", folder.string())
        .hint("HF_HUB_CACHE names another place");
  }
}

}  // namespace

CachedRepo::CachedRepo(const fs::path& cache, const std::string& repo) : cache_(cache) {
  std::string name = repo;
  name.replace(name.find('/'), 1, "--");
  folder_ = cache / ("models--" + name);
}

std::optional<std::string> CachedRepo::commit(const std::string& revision) const {
  if (is_commit(revision)) return revision;
  const fs::path ref = folder_ / "refs" / revision;
  if (!fs::is_regular_file(ref)) return std::nullopt;
  std::string commit = read_file(ref);
  commit.erase(commit.find_last_not_of(" \r\n\t") + 1);
  if (!is_commit(commit)) return std::nullopt;
  return commit;
}

fs::path CachedRepo::snapshot(const std::string& commit) const {
  return folder_ / "snapshots" / commit;
}

fs::path CachedRepo::blob(const std::string& checksum) const {
  return folder_ / "blobs" / checksum;
}

fs::path CachedRepo::lock_file(const std::string& checksum) const {
  return cache_ / ".locks" / folder_.filename() / (checksum + ".lock");
}

void CachedRepo::begin(const std::string& revision, const std::string& commit) const {
  for (const fs::path& folder :
       {folder_ / "blobs", snapshot(commit), lock_file("any").parent_path()}) {
    make_folder(folder);
  }
  if (is_commit(revision)) return;
  const fs::path ref = folder_ / "refs" / revision;
  make_folder(ref.parent_path());
  write_file(ref, commit);
}

void CachedRepo::link(const std::string& commit, const std::string& name,
                      const std::string& checksum) const {
  const fs::path place = snapshot(commit) / name;
  fs::path target = fs::path("..") / ".." / "blobs" / checksum;
  for (const char c : name) {
    if (c == '/') target = ".." / target;
  }
  std::error_code error;
  make_folder(place.parent_path());
  if (fs::read_symlink(place, error) == target) return;
  // Created under a temporary name and renamed, so that readers always find the name.
  const fs::path fresh = temporary_neighbour(place);
  fs::create_symlink(target, fresh, error);
  if (!error) fs::rename(fresh, place, error);
  if (error) {
    throw io_error("cannot link a file of the model cache: {}", error.message())
        .where("file", place.string())
        .hint(
            "the cache needs a file system with symbolic links; HF_HUB_CACHE names another place");
  }
}

FileLock::FileLock(const fs::path& file, Progress& progress) {
  // Group-writable, as other programs create it: users may share a cache.
  fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664);
  if (fd_ < 0) {
    throw file_error("open a lock", file, errno);
  }
  const auto start = std::chrono::steady_clock::now();
  bool told = false;
  while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    // The file system has no locks. A second download then costs time only (see TakenAway in
    // download.cc).
    if (error != EWOULDBLOCK && error != EINTR) return;
    if (!told && std::chrono::steady_clock::now() - start > kTellAfter) {
      progress.note("waiting for another program that downloads the same file");
      told = true;
    }
    std::this_thread::sleep_for(kPollEvery);
    if (stop_requested() != 0) {
      ::close(fd_);
      check_stop();
    }
  }
}

FileLock::~FileLock() { ::close(fd_); }

}  // namespace mop
