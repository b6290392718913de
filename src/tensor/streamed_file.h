// tensor/streamed_file.h -- writes a large file sequentially and atomically.
#pragma once
#include <cstddef>
#include <filesystem>

namespace mop {

class StreamedFile {
 public:
  /// Reserves `bytes` in a temporary neighbour of `path`, so that a full disk is detected before
  /// the work. Throws Error(kIo) when the file cannot be created or there is no room.
  StreamedFile(const std::filesystem::path& path, size_t bytes);
  /// Removes the temporary file unless `finish` was called.
  ~StreamedFile();
  StreamedFile(const StreamedFile&) = delete;
  StreamedFile& operator=(const StreamedFile&) = delete;

  /// Appends. The bytes may lie in a mapped file. Throws Error(kIo).
  void write(const void* data, size_t size);
  /// Flushes to disk and renames the file to `path`. Throws Error(kIo), also when a mapped source
  /// file shrank.
  void finish();
  const std::filesystem::path& path() const { return path_; }

 private:
  [[noreturn]] void fail(int error) const;
  std::filesystem::path path_, temporary_;
  int file_ = -1;
};

}  // namespace mop
