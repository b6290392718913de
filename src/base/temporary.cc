// base/temporary.cc -- a lock tells the living from the dead: process ids do not, across containers.
#include "base/temporary.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cctype>
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

// "NAME.tmp123-4", and the neighbour of such a one: "NAME.tmp123-4.tmp123-5".
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

bool is_held(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (file < 0) return true;
  const bool held = ::flock(file, LOCK_EX | LOCK_NB) != 0;
  ::close(file);
  return held;
}

}  // namespace

void hold_temporary(int descriptor) noexcept { ::flock(descriptor, LOCK_EX | LOCK_NB); }

void remove_left_neighbours(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const std::string name = path.filename();
  std::error_code ignored;
  for (auto entry = fs::directory_iterator(folder, ignored);
       !ignored && entry != fs::directory_iterator(); entry.increment(ignored)) {
    if (!is_neighbour(entry->path().filename().native(), name) || is_held(entry->path())) continue;
    std::error_code stays;
    fs::remove_all(entry->path(), stays);
  }
}

}  // namespace mop
