// checkpoint/checkpoint.cc
#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/inside_links.h"

namespace mop {
namespace {
namespace fs = std::filesystem;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

// All of them, one a line below the message; the user should not have to come back for the next
// one.
std::string list(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}

Json read_config(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  if (!fs::exists(path)) {
    throw bad_input("there is no config.json: not a Hugging Face model folder")
        .where("folder", folder.string());
  }
  check_link_inside(folder, path);
  Json config = read_json(path);
  if (!config.is_object())
    throw bad_input("config.json must hold an object").where("file", path.string());
  return config;
}

// Why a folder without our files cannot be read, as precisely as its content allows.
[[noreturn]] void refuse_folder(const fs::path& folder) {
  std::vector<std::string> pickled, others;
  for (const auto& item : fs::directory_iterator(folder)) {
    const std::string name = item.path().filename().string();
    const std::string extension = item.path().extension().string();
    if (extension == ".bin" || extension == ".pth" || extension == ".pt") pickled.push_back(name);
    if (extension == ".safetensors" || extension == ".gguf") others.push_back(name);
  }
  std::ranges::sort(pickled);
  std::ranges::sort(others);
  if (!pickled.empty()) {
    throw bad_input(
        "the weights are only there as pickled files, which can run code and are not read")
        .where("folder", folder.string())
        .where("found", list(pickled))
        .hint(
            "convert them to safetensors: load the model with transformers and call "
            "save_pretrained(folder, safe_serialization=True)");
  }
  Error error = bad_input("there is neither {} nor {}", kSingleFile, kIndexFile)
                    .where("folder", folder.string());
  if (!others.empty()) std::move(error).where("found", list(others));
  throw std::move(error).hint("copy or download the model's weights into the folder, too");
}

// tensor -> shard, from the index. Throws when it is not of that shape or a shard is missing.
std::map<std::string, std::string> read_index(const fs::path& folder) {
  const fs::path path = folder / kIndexFile;
  const Json index = read_json(path);
  const auto weights = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || weights == index.end() || !weights->is_object()) {
    throw bad_input("the index must hold an object 'weight_map'").where("file", path.string());
  }
  std::map<std::string, std::string> shards;
  std::set<std::string> missing;
  for (const auto& [name, shard] : weights->items()) {
    if (!shard.is_string()) {
      throw bad_input("weight_map['{}'] must be a file name, got {}", name, shard.dump())
          .where("file", path.string());
    }
    const auto file = shard.get<std::string>();
    if (file.empty() || file == ".." || file.find('/') != std::string::npos) {
      throw bad_input("weight_map['{}'] must be a file of this folder, got '{}'", name, file)
          .where("file", path.string());
    }
    if (!fs::exists(folder / file)) missing.insert(file);
    shards[name] = file;
  }
  if (!missing.empty()) {
    throw bad_input("{} of the shards that the index names {} missing: {}", missing.size(),
                    missing.size() == 1 ? "is" : "are", list({missing.begin(), missing.end()}))
        .where("file", path.string())
        .hint("download or copy the missing files");
  }
  return shards;
}

// Every disagreement between the index and the headers of its shards.
void check_index(const fs::path& folder, const std::map<std::string, std::string>& index,
                 const std::vector<SafetensorsFile>& files) {
  std::vector<std::string> absent, unlisted, twice;
  std::map<std::string, std::string> found;
  for (const SafetensorsFile& file : files) {
    const std::string shard = file.path().filename().string();
    for (const auto& [name, entry] : file.entries()) {
      if (!found.emplace(name, shard).second)
        twice.push_back(name + " (" + found[name] + ", " + shard + ")");
      if (!index.contains(name)) unlisted.push_back(name + " (" + shard + ")");
    }
  }
  for (const auto& [name, shard] : index) {
    const auto file = std::ranges::find(
        files, shard, [](const SafetensorsFile& f) { return f.path().filename().string(); });
    if (!file->entries().contains(name)) absent.push_back(name + " (" + shard + ")");
  }
  if (absent.empty() && unlisted.empty() && twice.empty()) return;
  Error error =
      bad_input("the index and the shards disagree").where("file", (folder / kIndexFile).string());
  if (!absent.empty()) std::move(error).where("not in its shard", list(absent));
  if (!unlisted.empty()) std::move(error).where("not in the index", list(unlisted));
  if (!twice.empty()) std::move(error).where("in two shards", list(twice));
  throw error;
}

// The first and last 4 KiB of a tensor.
void add_ends(std::string_view data, Sha256& hash) {
  constexpr size_t kSample = 4096;
  hash.add(data.substr(0, kSample));
  if (data.size() > kSample)
    hash.add(data.substr(data.size() - std::min(kSample, data.size() - kSample)));
}

}  // namespace

std::shared_ptr<const Checkpoint> Checkpoint::open(const fs::path& folder) {
  if (!fs::exists(folder))
    throw io_error("there is no such folder")
        .where("model", folder.string())
        .hint("MODEL is a folder, a .gguf file, or a hub id: org/name[@revision]");
  auto result = std::make_shared<Checkpoint>();
  result->folder_ = folder;
  if (GgufFile::is_gguf(folder) || folder.extension() == ".gguf") {
    result->gguf_ = std::make_shared<const GgufCheckpoint>(GgufCheckpoint::open(folder));
    result->config_ = result->gguf_->config();
    result->layout_ = &layout_of({}, false);
    return result;
  }
  if (!fs::is_directory(folder)) {
    throw bad_input(
        "a model is a folder with config.json and safetensors, or a .gguf; this is a file")
        .where("model", folder.string())
        .hint("give the folder that holds it");
  }
  result->config_ = read_config(folder);
  if (fs::exists(folder / kSingleFile)) {
    result->files_.push_back(SafetensorsFile::open(folder / kSingleFile));
  } else if (fs::exists(folder / kIndexFile)) {
    const auto index = read_index(folder);
    std::set<std::string> shards;
    for (const auto& [name, shard] : index) shards.insert(shard);
    for (const std::string& shard : shards)
      result->files_.push_back(SafetensorsFile::open(folder / shard));
    check_index(folder, index, result->files_);
  } else {
    refuse_folder(folder);
  }
  result->place_tensors();
  return result;
}

void Checkpoint::place_tensors() {
  std::set<std::string> names;
  for (const SafetensorsFile& file : files_) {
    for (const auto& [name, entry] : file.entries()) names.insert(name);
  }
  layout_ = &layout_of(names, config_.contains("text_config"));
  for (size_t i = 0; i < files_.size(); ++i) {
    for (const auto& [name, entry] : files_[i].entries()) {
      const auto [place, is_new] = where_.try_emplace(our_name(*layout_, name), Place{i, name});
      if (is_new || place->second.name == name) continue;
      throw bad_input("two tensors are the same one: {} and {}", place->second.name, name)
          .where("model", folder_.string());
    }
  }
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  if (gguf_) {
    for (const auto& [name, entry] : gguf_->entries()) names.push_back(name);
  }
  for (const auto& [name, place] : where_) names.push_back(name);
  return names;
}

bool Checkpoint::has(const std::string& name) const {
  return gguf_ ? gguf_->entries().contains(name) : where_.contains(name);
}

const TensorEntry& Checkpoint::entry(const std::string& name) const {
  if (!has(name)) throw bad_input("there is no tensor '{}'", name).where("model", folder_.string());
  if (gguf_) return gguf_->entries().at(name);
  const Place& place = where_.at(name);
  return files_[place.file].entries().at(place.name);
}

const std::string& Checkpoint::name_in_file(const std::string& name) const {
  entry(name);  // the error that names the model
  return gguf_ ? gguf_->entries().find(name)->first : where_.at(name).name;
}

at::Tensor Checkpoint::tensor(const std::string& name) const {
  entry(name);  // the error that names the model
  if (gguf_) return gguf_->tensor(name);
  const Place& place = where_.at(name);
  return files_[place.file].tensor(place.name);
}

int64_t Checkpoint::bytes() const {
  int64_t bytes = 0;
  for (const std::string& name : names()) {
    const TensorEntry& one = entry(name);
    bytes += static_cast<int64_t>(one.end - one.begin);
  }
  return bytes;
}

int64_t Checkpoint::value_bytes() const {
  int64_t bytes = 0;
  for (const std::string& name : names()) {
    const TensorEntry& one = entry(name);
    bytes += c10::multiply_integers(one.shape) * static_cast<int64_t>(dtype_bytes(one.dtype));
  }
  return bytes;
}

std::string Checkpoint::fingerprint() const {
  Sha256 hash;
  hash.add(to_text(config_));
  for (const SafetensorsFile& file : files_) {
    hash.add(file.header());
    hash.add(std::to_string(file.bytes()));
    for (const auto& [name, entry] : file.entries()) add_ends(file.data(entry), hash);
  }
  if (gguf_) {
    const GgufFile& file = gguf_->file();
    hash.add(file.header());
    hash.add(std::to_string(file.bytes()));
    for (const auto& [name, tensor] : file.tensors()) add_ends(file.data(tensor), hash);
  }
  check_mappings();
  return hash.hex();
}

}  // namespace mop
