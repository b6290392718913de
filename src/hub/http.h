// hub/http.h -- one GET at a time over libcurl, with what downloads from a hub need: redirects that
// never carry the token to another host, ranges, stalls noticed, Ctrl-C obeyed.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace mop {

struct HttpAnswer {
  int status = 0;                                           ///< 0 = there was no answer
  std::map<std::string, std::string, std::less<>> headers;  ///< names in lower case
  std::string body;          ///< unless a sink took it; of refusals at most 64 KiB
  std::string failure;       ///< why the transfer did not complete; empty = it did
  bool may_pass = false;     ///< whether another attempt may end otherwise
  bool unreachable = false;  ///< no connection came about
  bool untrusted = false;    ///< the server's certificate is of no authority that we know

  bool ok() const { return failure.empty() && status >= 200 && status < 300; }
  /// Empty when there is no such header.
  std::string header(std::string_view name) const;
};

struct HttpRequest {
  std::string url;
  std::string token;       ///< sent as a bearer to the origin (scheme, host, port) of `url` alone
  int64_t first_byte = 0;  ///< asks for the rest of a file, by Range
  int64_t stall_seconds = 10;
  /// Takes the body of a 2xx answer piece by piece; sees the headers with the first one. What it
  /// throws ends the transfer and is thrown on.
  std::function<void(const HttpAnswer&, std::string_view)> sink;
};

class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Follows up to ten redirects. Failures of the transfer are part of the answer. Throws
  /// Error(kInterrupted) when a stop is requested.
  HttpAnswer get(const HttpRequest& request);

 private:
  HttpAnswer get_once(const HttpRequest& request, const std::string& url, bool with_token);
  void* handle_;
};

/// scheme://host/path: without user, query and fragment, where secrets stand.
std::string shown_url(const std::string& url);
/// For use in a path of a URL; '/' stays.
std::string url_escaped(std::string_view text);

}  // namespace mop
