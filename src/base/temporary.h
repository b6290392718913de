// base/temporary.h -- temporary neighbours (base/files.h) that a killed process left behind.
#pragma once
#include <filesystem>

namespace mop {

/// Keeps the file or folder behind the descriptor from being taken for such a leftover while the
/// descriptor is open.
void hold_temporary(int descriptor) noexcept;

/// Removes the temporary neighbours of `path` that nobody holds. What cannot be removed stays.
void remove_left_neighbours(const std::filesystem::path& path);

}  // namespace mop
