// hub/listing.h -- what the hub says about a model: the commit of a revision and its files.
#pragma once
#include <map>
#include <string>

#include "base/error.h"
#include "base/progress.h"
#include "hub/download.h"
#include "hub/model_id.h"

namespace mop {

struct Listing {
  std::string commit;
  std::map<std::string, RemoteFile> files;  ///< by name, with "/" where they lie in a folder
};

/// Asks the hub. Throws Error(kBadInput) for a refusal or an answer that is no listing, Error(kIo)
/// when there is none.
Listing list_model(HttpClient& http, const HubSettings& settings, const ModelId& id,
                   Progress& progress);

/// The error for an answer outside 2xx: who refused what, and what to do.
Error refusal(const HttpAnswer& answer, const HubSettings& settings, const ModelId& id,
              const std::string& url);

}  // namespace mop
