// tests/kit/fault_shim.cc -- a library to preload: it counts the calls by which a program changes
// files below some folders (or reads them), and makes one of them fail, or be the program's last.
//   MOP_FAULT_UNDER  the folders, separated by ':'
//   MOP_FAULT        count, kill (a write is torn: half of it arrives), full (from then on there is
//                    no room), broken (that change fails), unreadable (that read fails), short
//                    (every read and write moves a part, or is interrupted and moves nothing)
//   MOP_FAULT_AT     which call, from 1
//   MOP_FAULT_COUNT  a file that gets the number of calls so far
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct Plan {
  std::string under = setting("MOP_FAULT_UNDER"), mode = setting("MOP_FAULT"),
              report = setting("MOP_FAULT_COUNT");
  long at = std::atol(setting("MOP_FAULT_AT").c_str());
  std::atomic<long> calls{0};

  bool covers(std::string_view path) const {
    for (std::string_view left = under; !left.empty();) {
      const size_t end = std::min(left.find(':'), left.size());
      if (end > 0 && path.starts_with(left.substr(0, end))) return true;
      left.remove_prefix(std::min(end + 1, left.size()));
    }
    return false;
  }
};

Plan& plan() {
  static Plan the;
  return the;
}

template <typename F>
F* real(F*, const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}
#define REAL(name) (real(&::name, #name))

bool is_below(const char* path) {
  if (path == nullptr) return false;
  if (path[0] == '/') return plan().covers(path);
  char folder[PATH_MAX];
  return ::getcwd(folder, sizeof folder) != nullptr &&
         plan().covers(std::string(folder) + "/" + path);
}

std::string path_of(int file) {
  char path[PATH_MAX];
  const ssize_t size =
      ::readlink(("/proc/self/fd/" + std::to_string(file)).c_str(), path, sizeof path);
  return size < 0 ? "" : std::string(path, static_cast<size_t>(size));
}

bool is_below(int file) { return plan().covers(path_of(file)); }

bool is_below(int folder, const char* path) {
  if (folder == AT_FDCWD || path[0] == '/') return is_below(path);
  return plan().covers(path_of(folder) + "/" + path);
}

enum class Call { kChange, kTakesRoom, kRead };
enum class Fate { kGoesOn, kFails, kDies };

// Writes the count at every call, because a program may end without running destructors.
void write_count(long calls) {
  const int file =
      REAL(open)(plan().report.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const std::string text = std::to_string(calls);
  if (REAL(write)(file, text.data(), text.size()) < 0) ::_exit(99);
  ::close(file);
}

// The caller sets errno.
Fate fate(Call call, bool below) {
  Plan& p = plan();
  if (!below || p.mode.empty() || p.mode == "short") return Fate::kGoesOn;
  const bool counts = p.mode == "unreadable" ? call == Call::kRead
                      : p.mode == "full"     ? call == Call::kTakesRoom
                                             : call != Call::kRead;
  if (!counts) return Fate::kGoesOn;
  const long number = ++p.calls;
  if (!p.report.empty()) write_count(number);
  if (p.mode == "full" && number >= p.at) {
    errno = ENOSPC;
    return Fate::kFails;
  }
  if (p.mode == "count" || number != p.at) return Fate::kGoesOn;
  if (p.mode == "kill") return Fate::kDies;
  errno = EIO;
  return Fate::kFails;
}

[[noreturn]] void die() {
  ::kill(::getpid(), SIGKILL);
  while (true) ::pause();
}

bool fails(Call call, bool below) {
  const Fate what = fate(call, below);
  if (what == Fate::kDies) die();
  return what == Fate::kFails;
}

// How much of it a read or write moves: in mode `short` not all, and nothing every fourth time.
ssize_t part(size_t size, bool below) {
  constexpr size_t kPart = 777;
  Plan& p = plan();
  if (p.mode != "short" || !below) return static_cast<ssize_t>(size);
  if (++p.calls % 4 == 0) {
    errno = EINTR;
    return -1;
  }
  return static_cast<ssize_t>(std::min(size, kPart));
}

bool makes(int flags) { return (flags & (O_CREAT | O_TRUNC)) != 0; }

mode_t mode_of(int flags, va_list list) {
  return (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(list, int)) : 0;
}

}  // namespace

#define MODE_OF(flags)                      \
  va_list list;                             \
  va_start(list, flags);                    \
  const mode_t mode = mode_of(flags, list); \
  va_end(list)

extern "C" {

int open(const char* path, int flags, ...) {
  MODE_OF(flags);
  if (makes(flags) && fails(Call::kTakesRoom, is_below(path))) return -1;
  return REAL(open)(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MODE_OF(flags);
  if (makes(flags) && fails(Call::kTakesRoom, is_below(path))) return -1;
  return REAL(open64)(path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  MODE_OF(flags);
  if (makes(flags) && fails(Call::kTakesRoom, is_below(folder, path))) return -1;
  return REAL(openat)(folder, path, flags, mode);
}
FILE* fopen(const char* path, const char* how) {
  if (how[0] != 'r' && fails(Call::kTakesRoom, is_below(path))) return nullptr;
  return REAL(fopen)(path, how);
}
FILE* fopen64(const char* path, const char* how) {
  if (how[0] != 'r' && fails(Call::kTakesRoom, is_below(path))) return nullptr;
  return REAL(fopen64)(path, how);
}

ssize_t write(int file, const void* data, size_t size) {
  const bool below = is_below(file);
  const Fate what = fate(Call::kTakesRoom, below);
  const ssize_t moves = part(size, below);
  if (what == Fate::kFails || moves < 0) return -1;
  const size_t arrives = what == Fate::kDies ? size / 2 : static_cast<size_t>(moves);
  const ssize_t written = REAL(write)(file, data, arrives);
  if (what == Fate::kDies) die();
  return written;
}
ssize_t pwrite(int file, const void* data, size_t size, off_t offset) {
  const Fate what = fate(Call::kTakesRoom, is_below(file));
  if (what == Fate::kFails) return -1;
  const size_t arrives = what == Fate::kDies ? size / 2 : size;
  const ssize_t written = REAL(pwrite)(file, data, arrives, offset);
  if (what == Fate::kDies) die();
  return written;
}
ssize_t writev(int file, const iovec* parts, int count) {
  return fails(Call::kTakesRoom, is_below(file)) ? -1 : REAL(writev)(file, parts, count);
}
ssize_t sendfile(int to, int from, off_t* offset, size_t size) {
  return fails(Call::kTakesRoom, is_below(to)) ? -1 : REAL(sendfile)(to, from, offset, size);
}
int fallocate(int file, int how, off_t offset, off_t size) {
  return fails(Call::kTakesRoom, is_below(file)) ? -1 : REAL(fallocate)(file, how, offset, size);
}
int posix_fallocate(int file, off_t offset, off_t size) {
  return fails(Call::kTakesRoom, is_below(file)) ? errno
                                                 : REAL(posix_fallocate)(file, offset, size);
}
int mkdir(const char* path, mode_t mode) {
  return fails(Call::kTakesRoom, is_below(path)) ? -1 : REAL(mkdir)(path, mode);
}
int symlink(const char* to, const char* path) {
  return fails(Call::kTakesRoom, is_below(path)) ? -1 : REAL(symlink)(to, path);
}

int ftruncate(int file, off_t size) noexcept {
  return fails(Call::kChange, is_below(file)) ? -1 : REAL(ftruncate)(file, size);
}
int fsync(int file) { return fails(Call::kChange, is_below(file)) ? -1 : REAL(fsync)(file); }
int rename(const char* from, const char* to) noexcept {
  return fails(Call::kChange, is_below(to)) ? -1 : REAL(rename)(from, to);
}
int unlink(const char* path) noexcept {
  return fails(Call::kChange, is_below(path)) ? -1 : REAL(unlink)(path);
}
int remove(const char* path) noexcept {
  return fails(Call::kChange, is_below(path)) ? -1 : REAL(remove)(path);
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  return fails(Call::kChange, is_below(folder, path)) ? -1 : REAL(unlinkat)(folder, path, flags);
}
long syscall(long number, ...) noexcept {
  long a[6];
  va_list list;
  va_start(list, number);
  for (long& value : a) value = va_arg(list, long);
  va_end(list);
  if (number == SYS_renameat2 &&
      fails(Call::kChange, is_below(reinterpret_cast<const char*>(a[3])))) {
    return -1;
  }
  return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

ssize_t read(int file, void* data, size_t size) {
  const bool below = is_below(file);
  const ssize_t moves = part(size, below);
  if (fails(Call::kRead, below) || moves < 0) return -1;
  return REAL(read)(file, data, static_cast<size_t>(moves));
}

}  // extern "C"
