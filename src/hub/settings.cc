// hub/settings.cc
#include "hub/settings.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/files.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPublicHub = "https://huggingface.co";

// Returns the first of these variables that is set and not empty.
std::string variable(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

bool is_true(std::string value) {
  std::ranges::transform(value, value.begin(), [](unsigned char c) { return std::toupper(c); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

fs::path expanded(const std::string& path) {
  if (path == "~" || path.starts_with("~/")) return variable({"HOME"}) + path.substr(1);
  return path;
}

fs::path home_of_cache() {
  if (const std::string home = variable({"HF_HOME"}); !home.empty()) return expanded(home);
  const std::string caches = variable({"XDG_CACHE_HOME"});
  return (caches.empty() ? expanded("~/.cache") : expanded(caches)) / "huggingface";
}

std::string trimmed(const std::string& text) {
  const char* blank = " \t\r\n";
  const size_t begin = text.find_first_not_of(blank);
  return begin == text.npos ? "" : text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

// Rejects line breaks and blanks in values that become part of a header or an address.
std::string one_word(std::string text, std::string_view name) {
  if (std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; })) return text;
  throw usage_error(
      "{} holds a blank, a line break or another character that does not belong there", name);
}

std::string token() {
  const std::string given =
      one_word(trimmed(variable({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})), "HF_TOKEN");
  if (!given.empty() || is_true(variable({"HF_HUB_DISABLE_IMPLICIT_TOKEN"}))) return given;
  const std::string path = variable({"HF_TOKEN_PATH"});
  const fs::path file = path.empty() ? home_of_cache() / "token" : expanded(path);
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return "";
  return one_word(trimmed(read_file(file)), file.string());
}

std::string endpoint() {
  std::string address = one_word(trimmed(variable({"HF_ENDPOINT"})), "HF_ENDPOINT");
  if (address.empty()) address = kPublicHub;
  while (address.ends_with('/')) address.pop_back();
  if (!address.starts_with("http://") && !address.starts_with("https://")) {
    throw usage_error("HF_ENDPOINT is no http:// or https:// address");
  }
  return address;
}

}  // namespace

HubSettings hub_settings() {
  HubSettings settings;
  const std::string cache = variable({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  settings.cache = cache.empty() ? home_of_cache() / "hub" : expanded(cache);
  settings.endpoint = endpoint();
  settings.token = token();
  settings.offline = is_true(variable({"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}));
  if (const int64_t seconds = std::atoll(variable({"HF_HUB_DOWNLOAD_TIMEOUT"}).c_str());
      seconds > 0) {
    settings.stall_seconds = seconds;
  }
  return settings;
}

}  // namespace mop
