// base/inside_links.h -- rejects symbolic links that lead out of a model's folder.
#pragma once
#include <filesystem>

namespace mop {

/// Throws Error(kBadInput) when `file`, below `folder`, resolves to a path outside the folder.
/// Files of a model's folder are copied into the result and may be published, so a link in a
/// downloaded folder must not name other files. A snapshot in the hub's cache may link to the blobs
/// of its own model.
void check_link_inside(const std::filesystem::path& folder, const std::filesystem::path& file);

}  // namespace mop
