// base/file_error.h -- what the system refused to do with a file or folder, as the one kind of
// error: with what there is of that which ran out.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace mop {

/// Error(kIo) "cannot DOING: REASON" naming `path`; `error` is an errno. On a full disk it says how
/// much room is left, and how much was needed where `bytes` is not 0; where no further file can be
/// made or opened, or none so large, how many or how large they may be.
Error file_error(std::string_view doing, const std::filesystem::path& path, int error,
                 int64_t bytes = 0);

/// Bytes that may still be written below `folder`, or the nearest folder above it that is there.
/// Nothing when it cannot be found out.
std::optional<int64_t> free_disk_bytes(const std::filesystem::path& folder);

}  // namespace mop
