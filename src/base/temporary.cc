// base/temporary.cc -- a lock, not a process id, tells whether a file is in use: process ids differ
// across containers.
#include "base/temporary.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <string_view>

namespace mop {
namespace fs = std::filesystem;
namespace {

bool skip_number(std::string_view& text) {
  size_t digits = 0;
  while (digits < text.size() && std::isdigit(static_cast<unsigned char>(text[digits]))) ++digits;
  text.remove_prefix(digits);
  return digits > 0;
}

// Matches "NAME.tmp123-4" and nested ones, "NAME.tmp123-4.tmp123-5".
bool is_neighbour(std::string_view name, std::string_view of) {
  constexpr std::string_view kTmp = ".tmp";
  if (!name.starts_with(of) || name.size() == of.size()) return false;
  name.remove_prefix(of.size());
  while (!name.empty()) {
    if (!name.starts_with(kTmp)) return false;
    name.remove_prefix(kTmp.size());
    if (!skip_number(name) || !name.starts_with('-')) return false;
    name.remove_prefix(1);
    if (!skip_number(name)) return false;
  }
  return true;
}

// Creates the file until the locked descriptor still has a name: another process may remove the
// file between creation and lock.
template <typename Make>
int create_locked(const Make& make) {
  while (true) {
    const int file = make();
    if (file < 0) return -1;
    while (::flock(file, LOCK_EX) != 0 && errno == EINTR) {
    }
    struct stat status {};
    if (::fstat(file, &status) != 0 || status.st_nlink > 0) return file;
    ::close(file);
  }
}

// Holds the lock until the file is removed.
void remove_unless_locked(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (file < 0) return;
  std::error_code ignored;
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) fs::remove_all(path, ignored);
  ::close(file);
}

}  // namespace

int make_temporary_file(const fs::path& path) {
  return create_locked(
      [&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666); });
}

int make_temporary_folder(const fs::path& path) {
  return create_locked([&] {
    int folder = -1;
    do {
      if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) return -1;
      folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } while (folder < 0 && errno == ENOENT);
    return folder;
  });
}

void remove_left_neighbours(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const std::string name = path.filename();
  std::error_code ignored;
  for (auto entry = fs::directory_iterator(folder, ignored);
       !ignored && entry != fs::directory_iterator(); entry.increment(ignored)) {
    if (is_neighbour(entry->path().filename().native(), name)) remove_unless_locked(entry->path());
  }
}

}  // namespace mop
