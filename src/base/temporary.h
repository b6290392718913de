// base/temporary.h -- creates temporary files (base/files.h) and removes those that killed
// processes left.
#pragma once
#include <filesystem>

namespace mop {

/// Creates a temporary file or folder and returns its descriptor, or -1 with errno. The open
/// descriptor holds a lock that protects it from `remove_left_neighbours`.
int make_temporary_file(const std::filesystem::path& path);
int make_temporary_folder(const std::filesystem::path& path);

/// Removes the temporary neighbours of `path` that no process has locked. Ignores failures.
void remove_left_neighbours(const std::filesystem::path& path);

}  // namespace mop
