// tensor/streamed_file.h -- a large file written from front to back that appears whole or not at
// all.
#pragma once
#include <cstddef>
#include <filesystem>

namespace mop {

class StreamedFile {
 public:
  /// Reserves `bytes` in a temporary neighbour of `path`, so that a full disk is known before the
  /// work. Throws Error(kIo) when the file cannot be made or there is no room.
  StreamedFile(const std::filesystem::path& path, size_t bytes);
  /// Without `finish` nothing is left behind.
  ~StreamedFile();
  StreamedFile(const StreamedFile&) = delete;
  StreamedFile& operator=(const StreamedFile&) = delete;

  /// Appends. The bytes may lie in a mapped file. Throws Error(kIo).
  void write(const void* data, size_t size);
  /// Flushes to the disk and gives the file its name. Throws Error(kIo), also when a mapped file
  /// that was written from turned out short.
  void finish();
  const std::filesystem::path& path() const { return path_; }

 private:
  [[noreturn]] void fail(int error) const;
  std::filesystem::path path_, temporary_;
  int file_ = -1;
};

}  // namespace mop
