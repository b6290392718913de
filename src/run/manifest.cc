// run/manifest.cc
#include "run/manifest.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/build_info.h"
#include "base/error.h"
#include "base/files.h"
#include "base/parse_json.h"
#include "model/family.h"
#include "run/runtime.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

// Paths are ignored, since the files' contents have their own entries.
constexpr std::array kPaths = {"recipe.model",
                               "recipe.plan",
                               "recipe.teacher",
                               "recipe.calibration.file",
                               "recipe.calibration.images",
                               "recipe.validation.file",
                               "recipe.data.file",
                               "recipe.data.images",
                               "recipe.recovery.teacher",
                               "recipe.recovery.data.file",
                               "recipe.recovery.data.images",
                               "recipe.recovery.validation.file"};
// Entries that may change the rounding of sums, but not the requested computation.
constexpr std::array kEnvironment = {"version",
                                     "commit",
                                     "libraries.libtorch",
                                     "compute.threads",
                                     "compute.ranks",
                                     "recipe.memory.activation_gib",
                                     "recipe.memory.piece_tokens",
                                     "recipe.recovery.memory.activation_gib",
                                     "recipe.recovery.memory.piece_tokens"};

template <size_t N>
bool is_one_of(const std::array<const char*, N>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// "/recipe/width/rule" -> "recipe.width.rule"
std::map<std::string, Json> flat(const Json& json) {
  std::map<std::string, Json> entries;
  const Json flattened = json.flatten();
  for (const auto& [pointer, value] : flattened.items()) {
    std::string name = pointer.substr(std::min<size_t>(1, pointer.size()));
    std::replace(name.begin(), name.end(), '/', '.');
    entries[name] = value;
  }
  return entries;
}

struct Difference {
  std::string name, before, after;
  bool environment;
};

std::string shown(const std::map<std::string, Json>& entries, const std::string& name) {
  const auto it = entries.find(name);
  if (it == entries.end()) return "absent";
  return it->second.is_string() ? it->second.get<std::string>() : it->second.dump();
}

// Returns the relevant differences.
std::vector<Difference> differences_of(const std::map<std::string, Json>& before,
                                       const std::map<std::string, Json>& after) {
  std::set<std::string> names;
  for (const auto& [name, value] : before) names.insert(name);
  for (const auto& [name, value] : after) names.insert(name);
  std::vector<Difference> differences;
  for (const std::string& name : names) {
    const std::string was = shown(before, name), is = shown(after, name);
    if (was == is || is_one_of(kPaths, name)) continue;
    differences.push_back({name, was, is, is_one_of(kEnvironment, name)});
  }
  return differences;
}

// Ranks use different GPUs: "cuda:1" counts as equal to "cuda:0".
std::map<std::string, Json> entries_of_rank(const std::string& manifest) {
  std::map<std::string, Json> entries = flat(parse_json(manifest));
  for (auto& [name, value] : entries) {
    if (!name.ends_with("compute.device") || !value.is_string()) continue;
    const auto device = value.get<std::string>();
    value = device.substr(0, device.find(':'));
  }
  return entries;
}

}  // namespace

Json fingerprint(const TokenSamples& samples) {
  return {
      {"samples", samples.ids.size()}, {"tokens", samples.tokens()}, {"sha256", samples.sha256}};
}

Json adapter_fingerprint(const std::filesystem::path& folder) {
  if (folder.empty()) return nullptr;
  Sha256 hash;
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"}) {
    const auto file = MappedFile::open(folder / name);
    hash.add({reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()});
  }
  check_mappings();
  return hash.hex();
}

Json job_manifest(const Model& model, const Tokenizer* tokenizer) {
  Json json;
  json["program"] = "mop";
  json["version"] = mop_version();
  json["commit"] = mop_commit();
  json["libraries"] = {{"libtorch", libtorch_version()}};
  json["model"] = {{"family", model.config().family->name},
                   {"parameters", total_parameters(model.config())},
                   {"fingerprint", model.checkpoint().fingerprint()}};
  if (tokenizer != nullptr) {
    json["tokenizer"] = {{"kind", tokenizer->kind()}, {"sha256", tokenizer->fingerprint()}};
  }
  return json;
}

Json compute_manifest(const std::string& device, DType dtype) {
  return {{"device", device}, {"dtype", dtype_name(dtype)}, {"threads", threads_in_use()}};
}

Json make_manifest(const Recipe& recipe, const Model& model, const Tokenizer* tokenizer,
                   const RunSamples& samples, const Compute& compute) {
  Json json = job_manifest(model, tokenizer);
  json["calibration"] = fingerprint(samples.calibration);
  json["validation"] = fingerprint(samples.validation);
  if (samples.pictures) json["pictures"] = {{"sha256", samples.pictures->sha256()}};
  json["seeds"] = {{"run", recipe.seed}};
  json["compute"] = compute_manifest(recipe.device, compute.dtype);
  json["recipe"] = to_json(recipe);
  return json;
}

void check_same_inputs(const Json& manifest, Collectives& ranks, Progress& progress) {
  if (ranks.size() == 1) return;
  const std::vector<std::string> all =
      ranks.all_gather(manifest.dump(-1, ' ', false, Json::error_handler_t::replace));
  const auto first = entries_of_rank(all[0]);
  for (size_t rank = 1; rank < all.size(); ++rank) {
    std::vector<std::string> refused;
    for (const Difference& d : differences_of(first, entries_of_rank(all[rank]))) {
      const std::string line =
          fmt::format("{}: {} on rank 0, {} on rank {}", d.name, d.before, d.after, rank);
      if (d.environment) {
        progress.warn("rounding of the result may depend on the rank: " + line);
      } else {
        refused.push_back(line);
      }
    }
    if (refused.empty()) continue;
    throw bad_input("the ranks of this job have different inputs:\n  {}",
                    fmt::join(refused, "\n  "))
        .hint("give every rank the same files and flags");
  }
}

ManifestDifferences compare_manifests(const Json& earlier, const Json& now) {
  ManifestDifferences differences;
  for (const Difference& d : differences_of(flat(earlier), flat(now))) {
    auto& list = d.environment ? differences.noted : differences.refused;
    list.push_back(fmt::format("{}: was {}, now {}", d.name, d.before, d.after));
  }
  return differences;
}

}  // namespace mop
