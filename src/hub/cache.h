// hub/cache.h -- the folder of one model in the shared cache, laid out as huggingface_hub does:
//   models--org--name/refs/<revision>            the commit that a branch or tag stood for
//   models--org--name/snapshots/<commit>/<file>  links to
//   models--org--name/blobs/<checksum>           the bytes
//   .locks/models--org--name/<checksum>.lock     flock: who downloads that blob
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "base/progress.h"

namespace mop {

class CachedRepo {
 public:
  /// `cache` holds all models; `repo` is "org/name". Nothing is made before something is written.
  CachedRepo(const std::filesystem::path& cache, const std::string& repo);

  const std::filesystem::path& folder() const { return folder_; }
  /// The commit of a branch or tag as last written down; a commit is its own.
  std::optional<std::string> commit(const std::string& revision) const;
  std::filesystem::path snapshot(const std::string& commit) const;
  std::filesystem::path blob(const std::string& checksum) const;
  std::filesystem::path lock_file(const std::string& checksum) const;

  /// Makes the folders of a download to `commit` and notes what `revision` stands for. Throws
  /// Error(kIo).
  void begin(const std::string& revision, const std::string& commit) const;
  /// Lets snapshots/<commit>/<name> be a link to the blob. Throws Error(kIo).
  void link(const std::string& commit, const std::string& name, const std::string& checksum) const;

 private:
  std::filesystem::path cache_, folder_;
};

/// Holds a lock file that other programs respect too. Waits for whoever holds it; says so on
/// `progress` after a while. Throws Error(kIo), and Error(kInterrupted) when a stop is requested.
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
