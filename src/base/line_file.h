// base/line_file.h -- a text file to which lines are appended while a long job runs.
#pragma once
#include <filesystem>
#include <string_view>

namespace mop {

class LineFile {
 public:
  /// Opens the file, or makes it. Throws Error(kIo).
  explicit LineFile(const std::filesystem::path& path);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  /// Appends `line` and a line break; a killed process still has them in the file. Throws
  /// Error(kIo) naming the file when they cannot be written (disk full).
  void add(std::string_view line);

 private:
  std::filesystem::path path_;
  int file_;
};

}  // namespace mop
