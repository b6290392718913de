// pipeline/manifest.cc
#include "pipeline/manifest.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/build_info.h"
#include "model/family.h"
#include "pipeline/runtime.h"

namespace mop {
namespace {

Json fingerprint(const TokenSamples& samples) {
  return {
      {"samples", samples.ids.size()}, {"tokens", samples.tokens()}, {"sha256", samples.sha256}};
}

// Files are known by their content, which has its own entry.
constexpr std::array kPaths = {"recipe.model",
                               "recipe.plan",
                               "recipe.teacher",
                               "recipe.calibration.file",
                               "recipe.validation.file",
                               "recipe.data.file",
                               "recipe.recovery.teacher",
                               "recipe.recovery.data.file",
                               "recipe.recovery.validation.file"};
// May change the last bits of a float32 sum, and nothing that a user asked for.
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

std::string shown(const std::map<std::string, Json>& entries, const std::string& name) {
  const auto it = entries.find(name);
  if (it == entries.end()) return "absent";
  return it->second.is_string() ? it->second.get<std::string>() : it->second.dump();
}

}  // namespace

Json make_manifest(const Recipe& recipe, const Model& model, const Tokenizer* tokenizer,
                   const RunSamples& samples, const Compute& compute) {
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
  json["calibration"] = fingerprint(samples.calibration);
  json["validation"] = fingerprint(samples.validation);
  json["seeds"] = {{"run", recipe.seed}};
  json["compute"] = {{"device", recipe.device},
                     {"dtype", dtype_name(compute.dtype)},
                     {"threads", threads_in_use()}};
  json["recipe"] = to_json(recipe);
  return json;
}

ManifestDifferences compare_manifests(const Json& earlier, const Json& now) {
  const auto before = flat(earlier), after = flat(now);
  std::set<std::string> names;
  for (const auto& [name, value] : before) names.insert(name);
  for (const auto& [name, value] : after) names.insert(name);
  ManifestDifferences differences;
  for (const std::string& name : names) {
    const std::string was = shown(before, name), is = shown(after, name);
    if (was == is || is_one_of(kPaths, name)) continue;
    auto& list = is_one_of(kEnvironment, name) ? differences.noted : differences.refused;
    list.push_back(fmt::format("{}: was {}, now {}", name, was, is));
  }
  return differences;
}

}  // namespace mop
