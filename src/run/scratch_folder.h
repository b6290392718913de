// run/scratch_folder.h -- temporary folders.
#pragma once
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "base/file_error.h"

namespace mop {

/// Returns the folder for unnamed files of a rank other than 0: rank 0's run folder if this machine
/// can access it, else the system's temporary folder, which may be small or in memory.
inline std::filesystem::path scratch_of_rank(const std::filesystem::path& run) {
  std::error_code error;
  const bool seen = std::filesystem::exists(run / "manifest.json", error) && !error &&
                    ::access(run.c_str(), W_OK | X_OK) == 0;
  return seen ? run : std::filesystem::temp_directory_path();
}

/// A new folder in the system's temporary folder, removed with the object. Throws Error(kIo).
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mop_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      throw file_error("make a temporary folder", pattern, errno);
    path_ = pattern;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace mop
