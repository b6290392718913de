// hub/cache.h -- one model's folder in the shared cache, with the layout of huggingface_hub:
//   models--org--name/refs/<revision>            the commit of a branch or tag
//   models--org--name/snapshots/<commit>/<file>  links to
//   models--org--name/blobs/<checksum>           the bytes
//   .locks/models--org--name/<checksum>.lock     flock of the process that downloads the blob
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "base/progress.h"

namespace mop {

class CachedRepo {
 public:
  /// `cache` is the folder of all models; `repo` is "org/name". Creates nothing until something is
  /// written.
  CachedRepo(const std::filesystem::path& cache, const std::string& repo);

  const std::filesystem::path& folder() const { return folder_; }
  /// Returns the recorded commit of a branch or tag; a commit is returned unchanged.
  std::optional<std::string> commit(const std::string& revision) const;
  std::filesystem::path snapshot(const std::string& commit) const;
  std::filesystem::path blob(const std::string& checksum) const;
  std::filesystem::path lock_file(const std::string& checksum) const;

  /// Creates the folders of a download of `commit` and records it for `revision`. Throws
  /// Error(kIo).
  void begin(const std::string& revision, const std::string& commit) const;
  /// Links snapshots/<commit>/<name> to the blob. Throws Error(kIo).
  void link(const std::string& commit, const std::string& name, const std::string& checksum) const;

 private:
  std::filesystem::path cache_, folder_;
};

/// Holds a lock file that huggingface_hub respects too. Waits while another process holds it, with
/// a note on `progress` after a while. Throws Error(kIo), and Error(kInterrupted) when a stop is
/// requested.
class FileLock {
 public:
  FileLock(const std::filesystem::path& file, Progress& progress);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace mop
