// base/line_file.cc
#include "base/line_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/file_error.h"
#include "base/files.h"

namespace mop {

LineFile::LineFile(const std::filesystem::path& path)
    : path_(path), file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (file_ < 0) throw file_error("write", path_, errno);
}

LineFile::~LineFile() { ::close(file_); }

void LineFile::add(std::string_view line) {
  const std::string text = std::string(line) + "\n";
  if (const int error = write_all(file_, text); error != 0) throw file_error("write", path_, error);
}

}  // namespace mop
