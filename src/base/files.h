// base/files.h -- files that appear whole or not at all, and what identifies their content.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace mop {

/// The whole file. Throws Error(kIo) naming the path and the system's reason.
std::string read_file(const std::filesystem::path& path);

/// Writes `bytes` to `path` so that it appears whole or not at all (temporary neighbour, fsync,
/// rename). Throws Error(kIo) (disk full, no permission) and leaves what was there before.
void write_file(const std::filesystem::path& path, std::string_view bytes);
/// All of `bytes` to an open file. 0, or errno.
int write_all(int file, std::string_view bytes);

/// The name under which an unfinished version of `path` is written: beside it, unlike any other.
/// Also makes the process get an error instead of SIGXFSZ when a write meets a limit on file sizes.
std::filesystem::path temporary_neighbour(const std::filesystem::path& path);

/// Flushes a file or folder to the disk. Throws Error(kIo).
void sync_path(const std::filesystem::path& path);

/// Lower-case hexadecimal SHA-256 of the bytes.
std::string sha256(std::string_view bytes);

/// Feeds bytes piece by piece: `Sha256 h; h.add(a); h.add(b); h.hex()`.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(std::string_view bytes);
  std::string hex();

 private:
  void* context_;
};

}  // namespace mop
