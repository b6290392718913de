// pipeline/default_method.cc
#include "pipeline/default_method.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/options.h"
#include "pipeline/named_method.h"

namespace mop {
namespace {

bool names_a_method(const Json& recipe) {
  return std::ranges::any_of(
      std::vector{"plan", "select", "branches", "depth"},
      [&](const char* key) { return recipe.contains(key) && !recipe[key].is_null(); });
}

// Settings that the default method does not have.
std::vector<std::string> settings_of_the_loop(const Json& recipe) {
  std::vector<std::string> names;
  const Json width = section(recipe, "width").json();
  for (const auto& [key, value] : width.items()) {
    if (std::ranges::find(shared_width_keys(), key) == shared_width_keys().end()) {
      names.push_back("width." + key);
    }
  }
  if (section(recipe, "target").has("iterations")) {
    names.emplace_back("target.iterations");
  }
  return names;
}

Json default_method(Json json) {
  const bool uniform = Options("recipe", json).flag("uniform", false);
  json.erase("uniform");
  std::vector<std::string> branches = {"damage-uniform"};
  if (!uniform) branches.insert(branches.begin(), "damage");
  json["branches"] = branches;
  json["select"] = "perplexity";
  // One method, two branches: what is said of `damage` holds for both.
  Json settings = section(json, "width").json();
  settings.update(section(json, "damage").json());
  json.erase("width");
  json.erase("damage");
  for (const std::string& branch : branches) {
    Json own = settings;
    own.update(section(json, branch).json());
    json[branch] = own;
  }
  Json target = section(json, "target").json(), repair = section(json, "repair").json();
  target.emplace("rounds", 2);
  repair.emplace("method", "least-squares");
  repair.emplace("when", "steps");
  // Time has overheads that only whole halves save.
  if (target.value("currency", "") == "latency") {
    for (const std::string& branch : branches) json[branch].emplace("halves", true);
  }
  json["target"] = target;
  json["repair"] = repair;
  return json;
}

}  // namespace

const std::vector<std::string>& shared_width_keys() {
  static const std::vector<std::string> keys = {"shape_multiple", "head_multiple", "min_kv_groups"};
  return keys;
}

Json with_method(const Json& recipe) {
  const bool open = !names_a_method(recipe) && settings_of_the_loop(recipe).empty();
  return open ? default_method(recipe) : named_method(recipe);
}

std::string method_note(const Json& recipe) {
  if (names_a_method(recipe) || named_method(recipe) != recipe) return "";
  const std::vector<std::string> names = settings_of_the_loop(recipe);
  if (names.empty()) return "";
  return fmt::format(
      "method: MoP's loop over depth and width, without repair, since the default method (units of "
      "the least predicted damage) has no {}",
      fmt::join(names, ", "));
}

}  // namespace mop
