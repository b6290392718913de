// pipeline/default_method.cc
#include "pipeline/default_method.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "base/options.h"
#include "pipeline/recipe_options.h"

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
  const bool uniform = Options("", json).get(recipe_options::kUniform);
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

bool has(const Json& recipe, const char* part, const char* key) {
  return recipe.contains(part) && recipe[part].is_object() && recipe[part].contains(key);
}

// A recipe that names a criterion of width or a depth rule, and no more of the loop, means the
// method of that paper: width in one round, or whole layers alone. Empty for others.
std::optional<Json> method_of_a_paper(Json recipe) {
  for (const char* key : {"select", "branches", "plan"}) {
    if (recipe.contains(key)) return std::nullopt;
  }
  const bool width = has(recipe, "width", "criterion"), depth = has(recipe, "depth", "rule");
  if (width == depth) return std::nullopt;
  recipe["branches"] = {width ? "width" : "depth"};
  recipe["select"] = width ? "path:G" : "path:L";
  if (width && has(recipe, "target", "remove")) recipe["target"].emplace("rounds", 1);
  return recipe;
}

}  // namespace

const std::vector<std::string>& shared_width_keys() {
  static const std::vector<std::string> keys = {"shape_multiple", "head_multiple", "min_kv_groups"};
  return keys;
}

Json with_method(const Json& recipe) {
  const bool open = !names_a_method(recipe) && settings_of_the_loop(recipe).empty();
  return open ? default_method(recipe) : method_of_a_paper(recipe).value_or(recipe);
}

std::string method_note(const Json& recipe) {
  if (names_a_method(recipe) || method_of_a_paper(recipe)) return "";
  const std::vector<std::string> names = settings_of_the_loop(recipe);
  if (names.empty()) return "";
  return fmt::format(
      "method: MoP's loop over depth and width, without repair, since the default method (units of "
      "the least predicted damage) has no {}",
      fmt::join(names, ", "));
}

}  // namespace mop
