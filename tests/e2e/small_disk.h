// tests/e2e/small_disk.h -- a disk of its own, as small as a test wants it.
#pragma once
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <string>

#include "e2e/program.h"

namespace mop::testing {

class SmallDisk {
 public:
  /// `options` of tmpfs: "size=4m", "nr_inodes=20".
  SmallDisk(const fs::path& place, const std::string& options) : place_(place) {
    fs::create_directories(place);
    mounted_ = ::mount("tmpfs", place.c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(place_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  static std::string skipped() { return "this test mounts a small disk, which needs root"; }

  const fs::path& path() const { return place_; }
  /// Takes what room there is; empty() gives it back.
  void fill() const {
    const int file = ::open(filler().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const std::string zeros(4096, '\0');
    while (::write(file, zeros.data(), zeros.size()) > 0) {
    }
    ::close(file);
  }
  void empty() const { fs::remove(filler()); }

 private:
  fs::path filler() const { return place_ / "filler"; }
  fs::path place_;
  bool mounted_ = false;
};

}  // namespace mop::testing
