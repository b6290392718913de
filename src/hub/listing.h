// hub/listing.h -- queries the hub for the commit of a revision and its files.
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
  std::map<std::string, RemoteFile> files;  ///< by name, with "/" for files in folders
};

/// Queries the hub. Throws Error(kBadInput) for a refusal or an invalid answer, Error(kIo) when
/// there is no answer.
Listing list_model(HttpClient& http, const HubSettings& settings, const ModelId& id,
                   Progress& progress);

/// Returns the error for an answer outside 2xx, with a hint.
Error refusal(const HttpAnswer& answer, const HubSettings& settings, const ModelId& id,
              const std::string& url);

}  // namespace mop
