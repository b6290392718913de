// hub/http.h -- HTTP GET by libcurl for downloads: redirects that never send the token to another
// host, ranges, stall detection, interruption by Ctrl-C.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace mop {

struct HttpAnswer {
  int status = 0;                                           ///< 0 = no answer
  std::map<std::string, std::string, std::less<>> headers;  ///< lower-case names
  std::string body;          ///< unless a sink received it; at most 64 KiB of a refusal
  std::string failure;       ///< why the transfer failed; empty = it succeeded
  bool retryable = false;    ///< whether a retry may succeed
  bool unreachable = false;  ///< no connection could be made
  bool untrusted = false;    ///< the server's certificate is not signed by a known authority

  bool ok() const { return failure.empty() && status >= 200 && status < 300; }
  /// Returns an empty string when there is no such header.
  std::string header(std::string_view name) const;
};

struct HttpRequest {
  std::string url;
  std::string token;  ///< sent as bearer token, only to the origin (scheme, host, port) of `url`
  int64_t first_byte = 0;  ///< requests the file from this byte on, by Range
  int64_t stall_seconds = 10;
  /// Receives the body of a 2xx answer in pieces, with the headers. An exception ends the transfer
  /// and is rethrown.
  std::function<void(const HttpAnswer&, std::string_view)> sink;
};

class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Follows up to ten redirects. Transfer failures are reported in the answer. Throws
  /// Error(kInterrupted) when a stop is requested.
  HttpAnswer get(const HttpRequest& request);

 private:
  HttpAnswer get_once(const HttpRequest& request, const std::string& url, bool with_token);
  void* handle_;
};

/// Returns scheme://host/path without user, query and fragment, which may contain secrets.
std::string shown_url(const std::string& url);
/// Percent-encodes text for a URL path; keeps '/'.
std::string url_escaped(std::string_view text);

}  // namespace mop
