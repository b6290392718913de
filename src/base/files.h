// base/files.h -- reading files, atomic writes, and SHA-256.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace mop {

/// Returns the content of the file. Throws Error(kIo) with the path and the system's reason.
std::string read_file(const std::filesystem::path& path);

/// Replaces `path` atomically: writes a temporary file in the same folder, calls fsync and renames
/// it. Throws Error(kIo) (disk full, no permission); the old file then remains.
void write_file(const std::filesystem::path& path, std::string_view bytes);
/// Writes all of `bytes` to a file descriptor. Returns 0 or errno.
int write_all(int file, std::string_view bytes);

/// Returns a unique name in the folder of `path` for an unfinished version of it. Also ignores
/// SIGXFSZ for the process, so that a write beyond the file size limit returns an error.
std::filesystem::path temporary_neighbour(const std::filesystem::path& path);

/// Flushes a file or folder to the disk. Throws Error(kIo).
void sync_path(const std::filesystem::path& path);

/// Lower-case hexadecimal SHA-256 of the bytes.
std::string sha256(std::string_view bytes);

/// Incremental SHA-256: `Sha256 h; h.add(a); h.add(b); h.hex()`.
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
