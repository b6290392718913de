// hub/download.h -- downloads one file of the hub to one blob: resumes earlier attempts, retries
// after network failures, and verifies the checksum.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/progress.h"
#include "hub/http.h"
#include "hub/settings.h"

namespace mop {

/// A file in the hub's listing.
struct RemoteFile {
  std::string name;
  int64_t size = 0;      ///< bytes
  std::string checksum;  ///< 64 digits: SHA-256 of the bytes; 40 digits: git's SHA-1 of the blob
};

/// Computes the checksum of a file, of the kind that `digits` (64 or 40) selects. Throws
/// Error(kIo).
std::string file_checksum(const std::filesystem::path& file, size_t digits);

/// Calls `ask` until its answer is final: success, or a failure that a retry cannot change. The
/// limit on attempts starts again whenever `made_progress` reports that the last attempt made
/// progress. Waits between attempts: the settings' time, doubled each time, or what the server asks
/// for.
HttpAnswer ask_with_retries(const HubSettings& settings, const std::string& what,
                            const std::function<HttpAnswer()>& ask,
                            const std::function<bool()>& made_progress, Progress& progress);

/// Downloads `file` from `url` to `blob` through `blob`.incomplete. Calls on_bytes(n) with the
/// number of bytes present. Throws Error(kIo) after too many failures, a second wrong checksum, or
/// a disk error; returns refusals (404, ...) as the answer.
HttpAnswer download_file(HttpClient& http, const HubSettings& settings, const std::string& url,
                         const RemoteFile& file, const std::filesystem::path& blob,
                         const std::function<void(int64_t)>& on_bytes, Progress& progress);

}  // namespace mop
