// hub/settings.h -- where models come from and where they are kept: the environment variables that
// every tool of this ecosystem reads.
#pragma once
#include <filesystem>
#include <string>

namespace mop {

struct HubSettings {
  std::filesystem::path cache;    ///< holds a folder models--org--name for each model
  std::string endpoint;           ///< without '/' at its end
  std::string token;              ///< empty = none. Goes to `endpoint` alone, and into no text
  bool offline = false;           ///< never asks the network
  int64_t stall_seconds = 10;     ///< a transfer that stands still for so long is broken off
  int64_t attempts = 5;           ///< in a row without a new byte, before giving up
  double first_wait_seconds = 1;  ///< before the second attempt; doubles each time
};

/// From HF_HUB_CACHE (HUGGINGFACE_HUB_CACHE), HF_HOME, XDG_CACHE_HOME and HOME; HF_ENDPOINT;
/// HF_TOKEN (HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH or HF_HOME/token, unless
/// HF_HUB_DISABLE_IMPLICIT_TOKEN); HF_HUB_OFFLINE (TRANSFORMERS_OFFLINE); HF_HUB_DOWNLOAD_TIMEOUT.
/// Throws Error(kUsage) for an endpoint that is no http address.
HubSettings hub_settings();

}  // namespace mop
