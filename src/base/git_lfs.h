// base/git_lfs.h -- detects Git LFS pointer files.
#pragma once
#include <string_view>

namespace mop {

/// Throws Error(kBadInput) when `content` is a Git LFS pointer: the file was cloned but not
/// fetched.
void refuse_git_lfs_pointer(std::string_view content);

}  // namespace mop
