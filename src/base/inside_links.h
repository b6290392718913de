// base/inside_links.h -- whether what a folder seems to hold lies in it.
#pragma once
#include <filesystem>

namespace mop {

/// Throws Error(kBadInput) when `file`, below `folder`, is there by a symbolic link that leads out
/// of the folder: whoever made the folder chose what it names, and what is copied from it is
/// published. A snapshot of the hub's cache may link into the blobs of its own model.
void check_link_inside(const std::filesystem::path& folder, const std::filesystem::path& file);

}  // namespace mop
