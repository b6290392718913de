// hub/hub.h -- resolves a model id to a local folder, downloading it to the shared cache if needed.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.h"
#include "hub/model_id.h"
#include "hub/settings.h"

namespace mop {

/// The files a job needs, in addition to config.json. A name that ends in '*' is a prefix.
struct WantedFiles {
  bool weights = true;                  ///< model.safetensors, or the shards in its index
  std::vector<std::string> tokenizers;  ///< alternatives of which one must exist; all are fetched
  std::vector<std::string> others;      ///< fetched if the hub has them
};

/// Returns the snapshot folder of `id`. Does not use the network when the cache has the revision
/// and all wanted files. Otherwise downloads the missing files, weights last, so that a snapshot
/// with weights is complete. Error messages never contain the token. Throws Error(kBadInput) when
/// the model, revision or file does not exist or access is refused; Error(kIo) for network errors,
/// disk errors and a full disk; Error(kUsage) when offline and not in the cache, listing the
/// missing files.
std::filesystem::path fetch_model(const ModelId& id, const WantedFiles& wanted,
                                  const HubSettings& settings, Progress& progress);

}  // namespace mop
