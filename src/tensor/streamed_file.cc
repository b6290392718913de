// tensor/streamed_file.cc
#include "tensor/streamed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file_error.h"
#include "base/files.h"
#include "base/temporary.h"
#include "tensor/mapped_file.h"

namespace mop {

StreamedFile::StreamedFile(const std::filesystem::path& path, size_t bytes)
    : path_(path), temporary_(temporary_neighbour(path)) {
  std::error_code none;
  if (std::filesystem::exists(path, none) && !std::filesystem::is_regular_file(path, none)) {
    throw io_error("cannot write: not a regular file").where("file", path.string());
  }
  remove_left_neighbours(path);
  file_ = make_temporary_file(temporary_);
  if (file_ < 0) fail(errno);
  // Some file systems cannot reserve space.
  if (::fallocate(file_, 0, 0, static_cast<off_t>(bytes)) == 0 || errno == EOPNOTSUPP ||
      errno == ENOSYS) {
    return;
  }
  const int error = errno;
  ::close(file_);
  ::unlink(temporary_.c_str());
  throw file_error("write", path_, error, static_cast<int64_t>(bytes));
}

StreamedFile::~StreamedFile() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(temporary_.c_str());
}

void StreamedFile::fail(int error) const { throw file_error("write", path_, error); }

void StreamedFile::write(const void* data, size_t size) {
  constexpr size_t kPiece = size_t{64} << 20;  // the kernel refuses more than 2 GiB at once
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(file_, next, std::min(size, kPiece));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      // Writing from a mapped file that shrank gives EFAULT instead of SIGBUS.
      if (error == EFAULT) check_mappings();
      fail(error);
    }
    next += n;
    size -= static_cast<size_t>(n);
  }
}

void StreamedFile::finish() {
  if (::fsync(file_) != 0) fail(errno);
  check_mappings();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(errno);
  ::close(file_);
  file_ = -1;
  sync_path(path_.has_parent_path() ? path_.parent_path() : ".");
}

}  // namespace mop
