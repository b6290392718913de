// base/git_lfs.cc
#include "base/git_lfs.h"

#include "base/error.h"

namespace mop {

void refuse_git_lfs_pointer(std::string_view content) {
  constexpr size_t kLargestPointer = 1024;
  if (content.size() > kLargestPointer) return;
  if (!content.starts_with("version https://git-lfs.github.com/spec/")) return;
  throw bad_input("this is a Git LFS pointer: the clone lacks the file itself")
      .hint("`git lfs pull` in the repository fetches it");
}

}  // namespace mop
