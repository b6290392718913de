// base/temporary.h -- temporary neighbours (base/files.h) that a killed process left behind.
#pragma once
#include <filesystem>

namespace mop {

/// A new file to write, or a new folder, under such a name. While the descriptor is open nobody
/// takes it for a leftover. -1 and errno where it cannot be made.
int make_temporary_file(const std::filesystem::path& path);
int make_temporary_folder(const std::filesystem::path& path);

/// Removes the temporary neighbours of `path` that nobody holds. What cannot be removed stays.
void remove_left_neighbours(const std::filesystem::path& path);

}  // namespace mop
