// hub/hub.cc
#include "hub/hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/file_error.h"
#include "base/files.h"
#include "base/json.h"
#include "hub/cache.h"
#include "hub/download.h"
#include "hub/listing.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfig = "config.json";
constexpr const char* kWeights = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

// Returns the weight files in an index. Ignores names that contain a folder.
std::set<std::string> shards_of(const fs::path& index) {
  const Json json = read_json(index);
  std::set<std::string> files;
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    throw bad_input("the index has no weight_map").where("file", index.string());
  }
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string() || file.get<std::string>().find('/') != std::string::npos) {
      throw bad_input("the index names no file for {}", tensor).where("file", index.string());
    }
    files.insert(file.get<std::string>());
  }
  return files;
}

bool is_one_of(const std::string& name, const std::vector<std::string>& patterns) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1))
                                  : name == pattern;
  });
}

struct Missing {
  std::vector<std::string> files;  ///< required files
  bool tokenizer = false;          ///< no tokenizer file was found; the model may have none
};

Missing missing_in(const fs::path& snapshot, const WantedFiles& wanted) {
  const auto has = [&](const std::string& name) { return fs::exists(snapshot / name); };
  // A kill of another program may leave an empty file.
  const auto has_weights = [&](const std::string& name) {
    std::error_code error;
    const auto bytes = fs::file_size(snapshot / name, error);
    return !error && bytes > 0;
  };
  Missing missing;
  if (!has(kConfig)) missing.files.push_back(kConfig);
  if (wanted.weights && has(kIndex)) {
    for (const std::string& shard : shards_of(snapshot / kIndex)) {
      if (!has_weights(shard)) missing.files.push_back(shard);
    }
  } else if (wanted.weights && !has_weights(kWeights)) {
    missing.files.push_back(kWeights);
  }
  missing.tokenizer = !wanted.tokenizers.empty() && std::ranges::none_of(wanted.tokenizers, has);
  return missing;
}

Error offline_error(const ModelId& id, const HubSettings& settings,
                    const std::vector<std::string>& files) {
  return usage_error("'{}' is no local path, and the cache lacks {}", id.text(),
                     files.empty() ? "it" : fmt::format("{}", fmt::join(files, ", ")))
      .where("cache", settings.cache.string())
      .hint("HF_HUB_OFFLINE is set: unset it to download, or name a folder");
}

std::string megabytes(int64_t bytes) {
  return bytes < 1'000'000'000 ? fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6)
                               : fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

/// The download of one model.
class Fetch {
 public:
  Fetch(const ModelId& id, const WantedFiles& wanted, const HubSettings& settings,
        Progress& progress)
      : id_(id),
        wanted_(wanted),
        settings_(settings),
        progress_(progress),
        repo_(settings.cache, id.repo),
        listing_(list_model(http_, settings, id, progress)) {}

  fs::path run() {
    repo_.begin(id_.revision, listing_.commit);
    fetch(small_files());
    if (wanted_.weights) fetch(weight_files());
    return repo_.snapshot(listing_.commit);
  }

 private:
  using Files = std::vector<const RemoteFile*>;

  bool listed(const std::string& name) const { return listing_.files.contains(name); }

  const RemoteFile& file(const std::string& name) const {
    const auto it = listing_.files.find(name);
    if (it != listing_.files.end()) return it->second;
    throw bad_input("{} has no {}", id_.text(), name)
        .where("hub", shown_url(settings_.endpoint))
        .hint("mop reads folders of safetensors files");
  }

  Files small_files() const {
    Files files = {&file(kConfig)};
    if (wanted_.weights && listed(kIndex)) files.push_back(&file(kIndex));
    for (const auto& [name, remote] : listing_.files) {
      if (is_one_of(name, wanted_.tokenizers) || is_one_of(name, wanted_.others)) {
        files.push_back(&remote);
      }
    }
    return files;
  }

  Files weight_files() const {
    if (!listed(kIndex)) return {&file(kWeights)};
    Files files;
    for (const std::string& shard : shards_of(repo_.snapshot(listing_.commit) / kIndex)) {
      files.push_back(&file(shard));
    }
    return files;
  }

  bool is_here(const RemoteFile& remote) const {
    std::error_code error;
    return fs::file_size(repo_.blob(remote.checksum), error) ==
               static_cast<uintmax_t>(remote.size) &&
           !error;
  }

  int64_t bytes_here(const RemoteFile& remote) const {
    std::error_code error;
    const auto size = fs::file_size(repo_.blob(remote.checksum).string() + ".incomplete", error);
    return error ? 0 : static_cast<int64_t>(size);
  }

  void check_room(int64_t bytes) const {
    const std::optional<int64_t> free = free_disk_bytes(repo_.folder());
    if (!free || *free >= bytes) return;
    throw io_error("the download of {} needs {}, the disk of the cache has {} left", id_.text(),
                   megabytes(bytes), megabytes(*free))
        .where("cache", settings_.cache.string())
        .hint("HF_HUB_CACHE names another place");
  }

  void fetch(const Files& files) {
    int64_t total = 0, missing = 0;
    for (const RemoteFile* remote : files) {
      if (is_here(*remote)) continue;
      total += remote->size;
      missing += remote->size - std::min(remote->size, bytes_here(*remote));
    }
    check_room(missing);
    if (total > 0) {
      progress_.note(fmt::format("downloading {} ({}) of {} to {}", megabytes(total),
                                 fmt::join(names_of_absent(files), ", "), id_.text(),
                                 repo_.folder().string()));
    }
    progress_.begin("download", total);
    int64_t done = 0;
    for (const RemoteFile* remote : files) {
      if (!is_here(*remote)) {
        fetch_blob(*remote, done);
        done += remote->size;
      }
      repo_.link(listing_.commit, remote->name, remote->checksum);
    }
    progress_.end();
  }

  std::vector<std::string> names_of_absent(const Files& files) const {
    std::vector<std::string> names;
    for (const RemoteFile* remote : files) {
      if (!is_here(*remote)) names.push_back(remote->name);
    }
    return names;
  }

  void fetch_blob(const RemoteFile& remote, int64_t done) {
    const FileLock lock(repo_.lock_file(remote.checksum), progress_);
    if (is_here(remote)) return;  // another process fetched it meanwhile
    const std::string url =
        fmt::format("{}/{}/resolve/{}/{}", settings_.endpoint, url_escaped(id_.repo),
                    listing_.commit, url_escaped(remote.name));
    const HttpAnswer answer = download_file(
        http_, settings_, url, remote, repo_.blob(remote.checksum),
        [&](int64_t bytes) { progress_.advance(done + bytes); }, progress_);
    if (!answer.failure.empty()) {
      throw io_error("{} of {}: {}", remote.name, id_.text(), answer.failure)
          .where("url", shown_url(url));
    }
    if (!answer.ok()) throw refusal(answer, settings_, id_, url);
  }

  const ModelId& id_;
  const WantedFiles& wanted_;
  const HubSettings& settings_;
  Progress& progress_;
  CachedRepo repo_;
  HttpClient http_;
  Listing listing_;
};

}  // namespace

fs::path fetch_model(const ModelId& id, const WantedFiles& wanted, const HubSettings& settings,
                     Progress& progress) {
  const CachedRepo repo(settings.cache, id.repo);
  const auto commit = repo.commit(id.revision);
  Missing missing{{}, true};
  if (commit) {
    missing = missing_in(repo.snapshot(*commit), wanted);
    if (missing.files.empty() && (!missing.tokenizer || settings.offline)) {
      return repo.snapshot(*commit);
    }
  }
  if (settings.offline) throw offline_error(id, settings, missing.files);
  return Fetch(id, wanted, settings, progress).run();
}

}  // namespace mop
