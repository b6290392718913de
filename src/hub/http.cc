// hub/http.cc
#include "hub/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <exception>

#include "base/build_info.h"
#include "base/error.h"
#include "base/lower_ascii.h"
#include "base/progress.h"

namespace mop {
namespace {

constexpr size_t kLargestKeptBody = 64 << 20;
constexpr size_t kLargestRefusal = 64 << 10;
constexpr int kMaxRedirects = 10;

/// State of libcurl's callbacks.
struct Transfer {
  const HttpRequest& request;
  HttpAnswer answer = {};
  std::exception_ptr thrown = nullptr;
  // libcurl's low-speed limit averages over seconds and reacts late.
  curl_off_t bytes = 0;
  std::chrono::steady_clock::time_point last_byte = std::chrono::steady_clock::now();
  bool stalled = false;
};

struct HeaderList {
  curl_slist* list = nullptr;
  void add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
  ~HeaderList() { curl_slist_free_all(list); }
};

size_t on_header(char* data, size_t size, size_t count, void* user) {
  HttpAnswer& answer = static_cast<Transfer*>(user)->answer;
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {
    answer.headers.clear();
    const size_t blank = line.find(' ');
    answer.status = blank == line.npos ? 0 : std::atoi(std::string(line.substr(blank)).c_str());
  } else if (const size_t colon = line.find(':'); colon != line.npos) {
    const std::string name = lower_ascii(std::string(line.substr(0, colon)));
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    const size_t end = line.find_last_not_of(" \t\r\n");
    answer.headers[name] =
        begin == line.npos || begin > end ? "" : line.substr(begin, end - begin + 1);
  }
  return size * count;
}

size_t on_body(char* data, size_t size, size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const std::string_view piece(data, size * count);
  const bool good = transfer.answer.status >= 200 && transfer.answer.status < 300;
  if (!good || !transfer.request.sink) {
    std::string& body = transfer.answer.body;
    const size_t limit = good ? kLargestKeptBody : kLargestRefusal;
    if (good && body.size() + piece.size() > limit) return 0;
    body += piece.substr(0, limit - std::min(limit, body.size()));
    return piece.size();
  }
  try {
    transfer.request.sink(transfer.answer, piece);
    return piece.size();
  } catch (...) {
    transfer.thrown = std::current_exception();
    return 0;
  }
}

int on_progress(void* user, curl_off_t, curl_off_t bytes, curl_off_t, curl_off_t) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const auto now = std::chrono::steady_clock::now();
  if (bytes != transfer.bytes) {
    transfer.bytes = bytes;
    transfer.last_byte = now;
  }
  transfer.stalled =
      now - transfer.last_byte > std::chrono::seconds(transfer.request.stall_seconds);
  return transfer.stalled || stop_requested() != 0 ? 1 : 0;
}

bool connection_failed(CURLcode code) {
  return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
         code == CURLE_COULDNT_CONNECT;
}

// Returns whether the failure depends only on the request or the machine, so that a retry fails
// too.
bool is_lasting(CURLcode code) {
  constexpr std::array kLasting = {
      CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT, CURLE_PEER_FAILED_VERIFICATION,
      CURLE_SSL_CACERT_BADFILE,   CURLE_OUT_OF_MEMORY, CURLE_WRITE_ERROR};
  return std::ranges::find(kLasting, code) != kLasting.end();
}

std::string url_part(const std::string& url, CURLUPart part, unsigned flags = 0) {
  CURLU* parsed = curl_url();
  char* text = nullptr;
  std::string result;
  if (curl_url_set(parsed, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK &&
      curl_url_get(parsed, part, &text, flags) == CURLUE_OK) {
    result = text;
  }
  curl_free(text);
  curl_url_cleanup(parsed);
  return result;
}

std::string origin(const std::string& url) {
  return url_part(url, CURLUPART_SCHEME) + "://" + url_part(url, CURLUPART_HOST) + ":" +
         url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

// Returns the CA file set by the variables of curl, OpenSSL or huggingface_hub; nullptr = libcurl's
// default.
const char* authorities() {
  for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return nullptr;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

std::string HttpAnswer::header(std::string_view name) const {
  const auto it = headers.find(name);
  return it == headers.end() ? "" : it->second;
}

HttpClient::HttpClient() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  handle_ = ready == CURLE_OK ? curl_easy_init() : nullptr;
  if (handle_ == nullptr) throw internal_error("libcurl cannot be started");
}

HttpClient::~HttpClient() { curl_easy_cleanup(handle_); }

HttpAnswer HttpClient::get(const HttpRequest& request) {
  const std::string home = origin(request.url);
  std::string url = request.url;
  for (int i = 0; i <= kMaxRedirects; ++i) {
    HttpAnswer answer = get_once(request, url, origin(url) == home);
    if (!answer.failure.empty() || !is_redirect(answer.status)) return answer;
    const char* next = nullptr;
    curl_easy_getinfo(handle_, CURLINFO_REDIRECT_URL, &next);
    if (next == nullptr) return answer;
    url = next;
  }
  HttpAnswer answer;
  answer.failure = fmt::format("more than {} redirects", kMaxRedirects);
  return answer;
}

HttpAnswer HttpClient::get_once(const HttpRequest& request, const std::string& url,
                                bool with_token) {
  Transfer transfer{request};
  HeaderList headers;
  char reason[CURL_ERROR_SIZE] = "";
  // Resets the options but keeps the connections.
  curl_easy_reset(handle_);
  const auto set = [this](CURLoption option, auto value) {
    curl_easy_setopt(handle_, option, value);
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  if (const char* file = authorities()) set(CURLOPT_CAINFO, file);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(request.stall_seconds));
  set(CURLOPT_ERRORBUFFER, reason);
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, on_body);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, on_progress);
  set(CURLOPT_XFERINFODATA, &transfer);
  const std::string agent = "mop/" + mop_version();
  set(CURLOPT_USERAGENT, agent.c_str());
  const std::string range = fmt::format("{}-", request.first_byte);
  if (request.first_byte > 0) set(CURLOPT_RANGE, range.c_str());
  if (with_token && !request.token.empty()) headers.add("Authorization: Bearer " + request.token);
  set(CURLOPT_HTTPHEADER, headers.list);

  const CURLcode code = curl_easy_perform(handle_);
  check_stop();
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  HttpAnswer answer = std::move(transfer.answer);
  if (code != CURLE_OK) {
    answer.failure = transfer.stalled  ? fmt::format("nothing came for {} s", request.stall_seconds)
                     : *reason != '\0' ? reason
                                       : curl_easy_strerror(code);
    answer.retryable = !is_lasting(code);
    answer.unreachable = connection_failed(code);
    answer.untrusted = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
  } else {
    answer.retryable = answer.status == 408 || answer.status == 429 || answer.status >= 500;
  }
  return answer;
}

std::string shown_url(const std::string& url) {
  const std::string port = url_part(url, CURLUPART_PORT);
  return url_part(url, CURLUPART_SCHEME) + "://" + url_part(url, CURLUPART_HOST) +
         (port.empty() ? "" : ":" + port) + url_part(url, CURLUPART_PATH);
}

std::string url_escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' ||
                       c == '_' || c == '~' || c == '/';
    result += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

}  // namespace mop
