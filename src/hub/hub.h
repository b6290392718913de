// hub/hub.h -- a model id to a local folder: from the shared cache, else downloaded into it.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.h"
#include "hub/model_id.h"
#include "hub/settings.h"

namespace mop {

/// The files that a job needs. config.json always is one. A name that ends in '*' stands for all
/// that begin so.
struct WantedFiles {
  bool weights = true;                  ///< model.safetensors, or the shards that its index names
  std::vector<std::string> tokenizers;  ///< any of these is a tokenizer; all are fetched
  std::vector<std::string> others;      ///< fetched where the hub has them
};

/// The snapshot folder of `id`. When the cache knows the revision and its snapshot has what is
/// wanted, the network is not asked. Else what is missing is downloaded, weights last, so that a
/// snapshot with weights is whole.
/// Throws Error(kBadInput): no such model, revision or file, or access refused; Error(kIo): the
/// network, the disk, too little room; Error(kUsage): offline and not in the cache, listing what is
/// missing. No text ever holds the token.
std::filesystem::path fetch_model(const ModelId& id, const WantedFiles& wanted,
                                  const HubSettings& settings, Progress& progress);

}  // namespace mop
