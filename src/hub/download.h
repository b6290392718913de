// hub/download.h -- one file of the hub into one blob: continued where an earlier attempt stopped,
// tried again when the network fails, and never called done before its checksum is right.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/progress.h"
#include "hub/http.h"
#include "hub/settings.h"

namespace mop {

/// A file as the hub lists it.
struct RemoteFile {
  std::string name;
  int64_t size = 0;      ///< bytes
  std::string checksum;  ///< 64 digits: SHA-256 of the bytes; 40: git's SHA-1 of them as a blob
};

/// The checksum of a file by the rule that `digits` (64 or 40) stands for. Throws Error(kIo).
std::string file_checksum(const std::filesystem::path& file, size_t digits);

/// Asks until an answer comes that no further attempt would change. `ask` is called at least once;
/// `gained` tells whether the last attempt brought the work forward, which restores patience.
/// Waits between attempts: the settings' time, doubling, or what the server asks for.
HttpAnswer with_patience(const HubSettings& settings, const std::string& what,
                         const std::function<HttpAnswer()>& ask,
                         const std::function<bool()>& gained, Progress& progress);

/// Downloads `file` from `url` to `blob` by way of `blob`.incomplete. `told(n)` hears how many
/// bytes of it are there. Throws Error(kIo): gave up, wrong checksum twice, disk; refusals (404,
/// ...) come back as the answer.
HttpAnswer download_file(HttpClient& http, const HubSettings& settings, const std::string& url,
                         const RemoteFile& file, const std::filesystem::path& blob,
                         const std::function<void(int64_t)>& told, Progress& progress);

}  // namespace mop
