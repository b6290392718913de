// recipe/default_method.cc
#include "recipe/default_method.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "allocate/allocation.h"
#include "base/options.h"
#include "plan/branch.h"
#include "recipe/recipe_options.h"
#include "recipe/repair_section.h"

namespace mop {
namespace {

// null counts as absent.
bool is_given(const Json& recipe, const std::string& key) {
  return recipe.contains(key) && !recipe[key].is_null();
}

bool names_a_method(const Json& recipe) {
  return std::ranges::any_of(std::vector{"plan", "select", "branches", "depth", "gates", "vision"},
                             [&](const char* key) { return is_given(recipe, key); });
}

// Whether the default method supports a width section's allocation.
bool allocates_curves(const Json& width) {
  const Json name = width.value("allocation", Json());
  return name.is_string() && std::ranges::any_of(all_allocations(), [&](const Allocation& row) {
           return row.name == name.get<std::string>() && row.of_curves != nullptr;
         });
}

// Returns the settings that the default method does not have.
std::vector<std::string> settings_of_the_loop(const Json& recipe) {
  std::vector<std::string> names;
  const Json width = section(recipe, "width").json();
  for (const auto& [key, value] : width.items()) {
    if (key == "allocation" && allocates_curves(width)) continue;
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
  // Both branches use the settings of `damage`.
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
  const std::string method = Options("repair", repair).get(recipe_options::kRepair, "none");
  if (method != "none" && !find_repair(method).adds_tensors) repair.emplace("when", "steps");
  // Only removal of whole halves saves the fixed overhead of their time.
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

// A recipe that names only a criterion of width, a depth rule, gates or settings of the vision
// tower selects the method of that paper: width in one round, whole layers, gates in one round, or
// the tower only in one round. nullopt for others.
std::optional<Json> method_of_a_paper(Json recipe) {
  for (const char* key : {"select", "branches", "plan"}) {
    if (recipe.contains(key)) return std::nullopt;
  }
  const std::pair<bool, const char*> kNamed[] = {{has(recipe, "width", "criterion"), "width"},
                                                 {has(recipe, "depth", "rule"), "depth"},
                                                 {recipe.contains("gates"), "gates"},
                                                 {recipe.contains("vision"), "vision"}};
  if (std::ranges::count(kNamed, true, &std::pair<bool, const char*>::first) != 1) {
    return std::nullopt;
  }
  const Branch& branch =
      find_branch(std::ranges::find(kNamed, true, &std::pair<bool, const char*>::first)->second);
  if (recipe.contains("gates")) {
    Json settings = section(recipe, "width").json();
    settings.update(section(recipe, "gates").json());
    recipe["gates"] = settings;
    recipe.erase("width");
  }
  recipe["branches"] = {branch.name};
  recipe["select"] = fmt::format("path:{}", branch.letter);
  const bool bounded = has(recipe, "target", "remove") || has(recipe, "target", "size");
  if (branch.divisible && bounded) recipe["target"].emplace("rounds", 1);
  if (branch.of_tower && bounded) recipe["target"].emplace("of", "tower");
  return recipe;
}

}  // namespace

const std::vector<std::string>& shared_width_keys() {
  static const std::vector<std::string> keys = {"shape_multiple", "head_multiple", "min_kv_groups"};
  return keys;
}

bool asks_for_weights_alone(const Json& recipe) {
  const auto is_there = [&](const std::string& key) { return is_given(recipe, key); };
  std::vector<std::string> structural = {"plan",   "select",  "branches",
                                         "target", "uniform", "repair"};
  for (const Branch& row : all_branches()) structural.push_back(row.name);
  return is_there("weights") && std::ranges::none_of(structural, is_there);
}

Json with_method(const Json& recipe) {
  if (asks_for_weights_alone(recipe)) {
    Json alone = recipe;
    alone["branches"] = {"width"};
    alone["select"] = "path:G";
    return alone;
  }
  const bool open = !names_a_method(recipe) && settings_of_the_loop(recipe).empty();
  return open ? default_method(recipe) : method_of_a_paper(recipe).value_or(recipe);
}

std::string method_note(const Json& recipe) {
  if (is_given(recipe, "branches") || is_given(recipe, "plan") || asks_for_weights_alone(recipe))
    return "";
  std::vector<std::string> names = settings_of_the_loop(recipe);
  if (is_given(recipe, "select")) names.insert(names.begin(), "select");
  if (const auto paper = method_of_a_paper(recipe)) {
    return fmt::format("method: {} alone, instead of the default method, because of its settings",
                       (*paper)["branches"][0].get<std::string>());
  }
  if (names.empty()) return "";
  return fmt::format(
      "method: MoP's loop{}, instead of the default method (units of least predicted damage, "
      "repaired), because of {}",
      asks_for_repair(recipe) ? "" : " without repair", fmt::join(names, ", "));
}

}  // namespace mop
