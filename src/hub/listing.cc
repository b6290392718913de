// hub/listing.cc
#include "hub/listing.h"

#include <algorithm>
#include <filesystem>

#include "base/parse_json.h"

namespace mop {
namespace {
namespace fs = std::filesystem;

// A bound of all files of a model: sums of their sizes cannot overflow.
constexpr int64_t kLargestModel = int64_t{1} << 60;

bool is_checksum(const std::string& text) {
  return (text.size() == 40 || text.size() == 64) &&
         text.find_first_not_of("0123456789abcdef") == text.npos;
}

// The checksum of a Git LFS file is the SHA-256 of its bytes; of others, git's blob hash.
RemoteFile remote_file(const Json& json, const std::string& where) {
  RemoteFile file{require<std::string>(json, "rfilename", where), 0, ""};
  const bool large = json.contains("lfs") && json["lfs"].is_object();
  const Json& about = large ? json["lfs"] : json;
  file.size = require<int64_t>(about, "size", where);
  file.checksum = require<std::string>(about, large ? "sha256" : "blobId", where);
  if (file.size < 0 || !is_checksum(file.checksum)) {
    throw bad_input("the hub lists {} with size {} and checksum '{}'", file.name, file.size,
                    file.checksum.substr(0, 80));
  }
  return file;
}

// Returns whether the path is relative, stays in the model's folder and has no hidden parts.
bool is_plain(const std::string& name) {
  const fs::path path(name);
  return std::ranges::none_of(
             path,
             [](const fs::path& part) { return part.empty() || part.string().front() == '.'; }) &&
         path.is_relative() && !name.empty();
}

Listing read_listing(const std::string& body, const std::string& where) {
  const Json json = try_parse_json(body).value_or(Json());
  if (!json.is_object() || !json.contains("siblings") || !json["siblings"].is_array()) {
    throw bad_input("the answer is no listing of a model").where("url", where);
  }
  Listing listing{require<std::string>(json, "sha", where), {}};
  if (!is_commit(listing.commit)) throw bad_input("the hub names no commit").where("url", where);
  int64_t total = 0;
  for (const Json& sibling : json["siblings"]) {
    if (!sibling.is_object()) throw bad_input("the listing names no file").where("url", where);
    if (!is_plain(get_or<std::string>(sibling, "rfilename", "", where))) continue;
    RemoteFile file = remote_file(sibling, where);
    if (file.size > kLargestModel - total) {
      throw bad_input("the hub lists files of more than 2^60 bytes").where("url", where);
    }
    total += file.size;
    listing.files[file.name] = std::move(file);
  }
  return listing;
}

// Returns the server's message as one short line, without the token.
std::string server_message(const HttpAnswer& answer, const std::string& token) {
  std::string text = answer.header("x-error-message").substr(0, 300);
  for (size_t at; !token.empty() && (at = text.find(token)) != text.npos;) {
    text.replace(at, token.size(), "***");
  }
  return text;
}

}  // namespace

Error refusal(const HttpAnswer& answer, const HubSettings& settings, const ModelId& id,
              const std::string& url) {
  const std::string words = server_message(answer, settings.token);
  const auto say = [&](const std::string& what, const std::string& hint) {
    Error error =
        bad_input("{}{}", what, words.empty() ? "" : ": " + words).where("url", shown_url(url));
    return hint.empty() ? error : Error(std::move(error).hint(hint));
  };
  const std::string code = answer.header("x-error-code");
  if (answer.status == 404 && code == "RevisionNotFound")
    return say(fmt::format("{} has no revision '{}'", id.repo, id.revision), "");
  if (answer.status == 404)
    return say(fmt::format("there is no model '{}', here or on the hub", id.text()),
               "MODEL is a folder, a .gguf file, or org/name[@revision]");
  if (code == "GatedRepo" || answer.status == 403)
    return say(fmt::format("access to {} is restricted ({})", id.repo, answer.status),
               "accept its terms on the model's page, and set HF_TOKEN to a token of that account");
  if (answer.status == 401)
    return say(
        fmt::format("the hub does not show '{}' (401): it does not exist, or is private", id.repo),
        settings.token.empty() ? "check the name; for a private model set HF_TOKEN"
                               : "check the name, and whether HF_TOKEN is still valid");
  return say(fmt::format("the server answers {}", answer.status), "");
}

Listing list_model(HttpClient& http, const HubSettings& settings, const ModelId& id,
                   Progress& progress) {
  std::string revision = url_escaped(id.revision);
  for (size_t at; (at = revision.find('/')) != revision.npos;) revision.replace(at, 1, "%2F");
  const std::string url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", settings.endpoint,
                                      url_escaped(id.repo), revision);
  const auto ask = [&] {
    HttpAnswer answer = http.get({url, settings.token, 0, settings.stall_seconds, nullptr});
    // Does not retry when no connection can be made.
    if (answer.unreachable) answer.retryable = false;
    return answer;
  };
  const HttpAnswer answer = ask_with_retries(
      settings, id.text(), ask, [] { return false; }, progress);
  if (!answer.failure.empty()) {
    throw io_error("'{}' is no local model, and the hub cannot be asked: {}", id.text(),
                   answer.failure)
        .where("url", shown_url(url))
        .hint(answer.untrusted
                  ? "CURL_CA_BUNDLE or SSL_CERT_FILE names the file of the hub's own authority"
                  : "MODEL is a folder, a .gguf file, or org/name[@revision]; HF_ENDPOINT names "
                    "another hub");
  }
  if (!answer.ok()) throw refusal(answer, settings, id, url);
  return read_listing(answer.body, shown_url(url));
}

}  // namespace mop
