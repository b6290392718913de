// base/file_error.cc
#include "base/file_error.h"

#include <sys/resource.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>

#include "base/amounts.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

// The disk of `path`. False where nobody knows.
bool look_at_disk(fs::path path, struct statvfs& disk) {
  if (path.empty()) path = ".";
  while (::statvfs(path.c_str(), &disk) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) return false;
    const fs::path above = path.has_parent_path() ? path.parent_path() : ".";
    if (above == path) return false;
    path = above;
  }
  return true;
}

int64_t free_bytes(const struct statvfs& disk) {
  return static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
}

std::string room(const fs::path& path, int64_t bytes) {
  struct statvfs disk {};
  if (!look_at_disk(path, disk)) return "";
  if (disk.f_files > 0 && disk.f_favail == 0)
    return fmt::format("all {} files that the disk can hold are there", disk.f_files);
  const std::string free = short_bytes(free_bytes(disk)) + " are free";
  return bytes > 0 ? short_bytes(bytes) + " are needed, " + free : free;
}

rlim_t limit_of(__rlimit_resource resource) {
  rlimit limit{};
  return ::getrlimit(resource, &limit) == 0 ? limit.rlim_cur : 0;
}

}  // namespace

Error file_error(std::string_view doing, const fs::path& path, int error, int64_t bytes) {
  std::error_code ignored;
  const char* label = fs::is_directory(path, ignored) ? "folder" : "file";
  Error what = io_error("cannot {}: {}", doing, std::strerror(error)).where(label, path.string());
  if (error == ENOSPC || error == EDQUOT) {
    if (const std::string there = room(path, bytes); !there.empty())
      what = std::move(what).where("room", there);
    return std::move(what).hint("free some room, or choose another place");
  }
  if (error == EMFILE)
    return std::move(what).hint(fmt::format("the limit on open files is {}: `ulimit -n` raises it",
                                            limit_of(RLIMIT_NOFILE)));
  if (error == EFBIG)
    return std::move(what).hint(
        fmt::format("the limit on the size of a file is {}: `ulimit -f`",
                    short_bytes(static_cast<int64_t>(limit_of(RLIMIT_FSIZE)))));
  return what;
}

std::optional<int64_t> free_disk_bytes(const fs::path& folder) {
  struct statvfs disk {};
  if (!look_at_disk(folder, disk)) return std::nullopt;
  return free_bytes(disk);
}

}  // namespace mop
