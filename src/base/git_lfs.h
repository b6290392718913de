// base/git_lfs.h -- files that were cloned but not fetched.
#pragma once
#include <string_view>

namespace mop {

/// Throws Error(kBadInput) when this is the pointer that stands in a Git clone for a large file.
void refuse_git_lfs_pointer(std::string_view content);

}  // namespace mop
