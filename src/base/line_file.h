// base/line_file.h -- a text file to which a long job appends lines.
#pragma once
#include <filesystem>
#include <string_view>

namespace mop {

class LineFile {
 public:
  /// Opens or creates the file. Throws Error(kIo).
  explicit LineFile(const std::filesystem::path& path);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  /// Appends `line` and a newline, unbuffered: they are in the file even if the process is killed.
  /// Throws Error(kIo) naming the file when the write fails (disk full).
  void add(std::string_view line);

 private:
  std::filesystem::path path_;
  int file_;
};

}  // namespace mop
