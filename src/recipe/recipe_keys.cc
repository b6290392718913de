// recipe/recipe_keys.cc
#include "recipe/recipe_keys.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/named_table.h"
#include "base/nearest.h"
#include "criteria/registry.h"
#include "plan/branch.h"
#include "recipe/default_method.h"
#include "recipe/recipe_sections.h"

namespace mop {
namespace {

// Settings that the default method has consumed are not keys of the explicit recipe.
std::vector<std::string> top_keys() {
  std::vector<std::string> keys;
  for (const RecipeSection& section : prune_sections()) {
    if (!section.name.empty()) keys.push_back(section.name);
    if (!section.name.empty()) continue;
    for (const OptionSpec& spec : section.options) keys.push_back(spec.name);
  }
  std::erase(keys, "uniform");
  return keys;
}

bool is_in(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

bool is_branch(const std::string& name) {
  return std::ranges::any_of(all_branches(), [&](const Branch& row) { return row.name == name; });
}

// How to set for the recipe's branches what was set for the unused `section`.
std::string advice(const Json& section, const std::vector<std::string>& branches) {
  std::string flags;
  const bool shared = section.is_object() && !section.empty() &&
                      std::ranges::all_of(section.items(), [](const auto& item) {
                        return is_in(shared_width_keys(), item.key());
                      });
  for (const std::string& branch : branches) {
    if (!shared || branch == "depth") continue;
    for (const auto& [key, value] : section.items()) {
      flags += fmt::format("{}--set {}.{}={}", flags.empty() ? "" : " ", branch, key, value.dump());
    }
  }
  return flags.empty() ? "add the branch to the recipe's `branches`, or remove `branches`" : flags;
}

void refuse_settings_of_unused_parts(const Json& recipe, const std::vector<std::string>& branches) {
  if (recipe.contains("uniform")) {
    throw usage_error(
        "`uniform` is a setting of the default method, and other settings select the branches {}",
        fmt::join(branches, ", "))
        .hint(
            "omit it; or omit what selects the method: select, branches, plan, width, depth, "
            "gates, vision; branches: [damage-uniform] keeps layers equal");
  }
  for (const auto& [key, section] : recipe.items()) {
    if (!is_branch(key) || is_in(branches, key)) continue;
    throw usage_error("the recipe's branches are {}, so settings of '{}' have no effect",
                      fmt::join(branches, ", "), key)
        .hint(advice(section, branches));
  }
}

}  // namespace

void check_recipe_keys(const Json& recipe, const std::vector<std::string>& branches) {
  std::vector<std::string> known = top_keys();
  known.insert(known.end(), branches.begin(), branches.end());
  std::vector<std::string> unknown;
  for (const auto& [key, value] : recipe.items()) {
    if (!is_in(known, key) && !is_criterion(key)) unknown.push_back(key);
  }
  if (unknown.empty()) return;
  refuse_settings_of_unused_parts(recipe, branches);
  std::vector<std::string> meant = known;
  for (const auto& more : {names_of(all_branches()), names_of(all_criteria()), {"uniform"}}) {
    meant.insert(meant.end(), more.begin(), more.end());
  }
  for (std::string& key : unknown) key = with_nearest(key, meant);
  known.insert(known.end(), {"uniform", "a branch's name", "a criterion's name"});
  throw usage_error("unknown keys of a recipe: {}", fmt::join(unknown, ", "))
      .hint(fmt::format("known: {}", fmt::join(known, ", ")));
}

}  // namespace mop
