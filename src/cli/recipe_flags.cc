// cli/recipe_flags.cc
#include "cli/recipe_flags.h"

#include <algorithm>
#include <array>

#include "cli/setting_flags.h"
#include "recipe/recipe.h"
#include "recipe/recipe_sections.h"

namespace mop {
namespace {

using Flags = std::vector<std::pair<std::string, Json>>;

// The kinds of target exclude each other: a flag replaces the one in the file. Two flags are left
// for the recipe's reader to refuse.
void replace_goal(Json& recipe, const std::string& key) {
  constexpr std::array kGoals = {"target.iterations", "target.remove", "target.size"};
  if (key == "plan") recipe.erase("target");
  if (std::ranges::find(kGoals, key) == kGoals.end()) return;
  recipe.erase("plan");
  if (!recipe.contains("target") || !recipe["target"].is_object()) return;
  for (const std::string_view goal : kGoals) recipe["target"].erase(std::string(goal.substr(7)));
  if (key == "target.iterations") recipe.erase("target");
}

// `--target memory=6GB` is a currency and a size.
Flags with_sizes(const Flags& flags) {
  Flags all;
  for (const auto& [key, value] : flags) {
    const std::string text = key == "target.currency" ? value.get<std::string>() : "";
    const size_t equals = text.find('=');
    if (equals == text.npos) {
      all.emplace_back(key, value);
      continue;
    }
    all.emplace_back(key, text.substr(0, equals));
    all.emplace_back("target.size", text.substr(equals + 1));
  }
  return all;
}

}  // namespace

void RecipeFlags::add(CLI::App& app, std::span<const SettingFlag> flags) {
  for (const SettingFlag& flag : flags) {
    const auto keep = [this, key = std::string(flag.key)](Json value) {
      flags_.emplace_back(key, std::move(value));
    };
    add_setting(app, flag, prune_setting(flag.key), keep);
  }
}

void RecipeFlags::add_sizes(CLI::App& app) {
  app.add_option("--recipe", file_, "YAML file with all settings; flags override it")
      ->type_name("FILE");
  add(app, size_flags());
  app.get_option("--iterations")
      ->excludes(app.get_option("--remove"))
      ->excludes(app.get_option("--of"));
  app.add_option("--set", sets_,
                 "any setting of the recipe (`mop list recipe`): width.budget=released")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void RecipeFlags::add_run(CLI::App& app) {
  add(app, run_flags());
  app.get_option("--plan")
      ->excludes(app.get_option("--iterations"))
      ->excludes(app.get_option("--remove"))
      ->excludes(app.get_option("--target"));
  app.get_option("--pattern")->excludes(app.get_option("--sparsity"));
}

Json RecipeFlags::recipe() const {
  Json recipe = file_.empty() ? Json::object() : read_recipe(file_);
  const Flags flags = with_sizes(flags_);
  for (const auto& [key, value] : flags) replace_goal(recipe, key);
  for (const auto& [key, value] : flags) {
    if (recipe.contains("weights") && recipe["weights"].is_object()) {
      if (key == "weights.pattern") recipe["weights"].erase("sparsity");
      if (key == "weights.sparsity") recipe["weights"].erase("pattern");
    }
    set(recipe, key, value);
  }
  for (const std::string& assignment : sets_) set(recipe, assignment);
  return recipe;
}

}  // namespace mop
