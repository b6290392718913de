// hub/settings.h -- the hub's address, the token and the cache folder, from the same environment
// variables as huggingface_hub.
#pragma once
#include <filesystem>
#include <string>

namespace mop {

struct HubSettings {
  std::filesystem::path cache;    ///< contains a folder models--org--name per model
  std::string endpoint;           ///< without trailing '/'
  std::string token;              ///< empty = none; sent to `endpoint` only, never printed
  bool offline = false;           ///< never use the network
  int64_t stall_seconds = 10;     ///< abort a transfer that receives nothing for this long
  int64_t attempts = 5;           ///< consecutive attempts without a new byte before giving up
  double first_wait_seconds = 1;  ///< before the second attempt; doubles each time
};

/// Reads HF_HUB_CACHE (HUGGINGFACE_HUB_CACHE), HF_HOME, XDG_CACHE_HOME and HOME; HF_ENDPOINT;
/// HF_TOKEN (HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH or HF_HOME/token, unless
/// HF_HUB_DISABLE_IMPLICIT_TOKEN); HF_HUB_OFFLINE (TRANSFORMERS_OFFLINE); HF_HUB_DOWNLOAD_TIMEOUT.
/// Throws Error(kUsage) for an endpoint that is not an HTTP address.
HubSettings hub_settings();

}  // namespace mop
