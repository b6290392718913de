// base/files.cc
#include "base/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

#include "base/file_error.h"
#include "base/git_lfs.h"
#include "base/temporary.h"

namespace mop {
namespace {

// Reading a device or a pipe could block or never end.
void check_is_file(int fd, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw file_error("read", path, errno);
  if (S_ISDIR(status.st_mode)) throw file_error("read", path, EISDIR);
  if (!S_ISREG(status.st_mode))
    throw io_error("cannot read: not a regular file").where("file", path.string());
}

/// Closes the descriptor when it goes out of scope.
struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) throw file_error("read", path, errno);
  check_is_file(file.fd, path);
  std::string bytes;
  char chunk[1 << 16];
  while (true) {
    const ssize_t n = ::read(file.fd, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw file_error("read", path, errno);
    if (n == 0) break;
    bytes.append(chunk, static_cast<size_t>(n));
  }
  try {
    refuse_git_lfs_pointer(bytes);
  } catch (Error& e) {
    throw std::move(e).where("file", path.string());
  }
  return bytes;
}

std::filesystem::path temporary_neighbour(const std::filesystem::path& path) {
  static std::atomic<int> count{0};
  static const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  (void)previous;
  return path.string() + fmt::format(".tmp{}-{}", ::getpid(), count++);
}

int write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

namespace {

// Devices and pipes are written to directly; a rename would replace them by a file.
bool is_no_file(const std::filesystem::path& path) {
  struct stat status {};
  const bool there = ::stat(path.c_str(), &status) == 0;
  return there && (!S_ISREG(status.st_mode) || path.native().starts_with("/dev/")) &&
         !S_ISDIR(status.st_mode);
}

}  // namespace

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  if (is_no_file(path)) {
    Descriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    if (file.fd < 0) throw file_error("write", path, errno);
    if (const int error = write_all(file.fd, bytes); error != 0)
      throw file_error("write", path, error);
    return;
  }
  remove_left_neighbours(path);
  const std::filesystem::path temporary = temporary_neighbour(path);
  const auto give_up = [&](int error) {
    ::unlink(temporary.c_str());
    throw file_error("write", path, error, std::ssize(bytes));
  };
  // Stays open, and so locked, until the rename: remove_left_neighbours deletes unlocked files.
  Descriptor file{make_temporary_file(temporary)};
  if (file.fd < 0) give_up(errno);
  if (const int error = write_all(file.fd, bytes); error != 0) give_up(error);
  if (::fsync(file.fd) != 0) give_up(errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) give_up(errno);
  sync_path(path.has_parent_path() ? path.parent_path() : ".");
}

void sync_path(const std::filesystem::path& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) throw file_error("flush", path, errno);
  // Some file systems cannot flush a folder (EINVAL); that is ignored.
  if (::fsync(file.fd) != 0 && errno != EINVAL) throw file_error("flush", path, errno);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_sha256(), nullptr);
}

Sha256::~Sha256() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }

void Sha256::add(std::string_view bytes) {
  EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size());
}

std::string Sha256::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), digest, &size);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.hex();
}

}  // namespace mop
