// cli/recipe_flags.cc
#include "cli/recipe_flags.h"

#include "cli/setting_flags.h"
#include "recipe/recipe.h"
#include "recipe/recipe_sections.h"

namespace mop {

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
      ->type_name("KEY=VALUE");
}

void RecipeFlags::add_run(CLI::App& app) {
  add(app, run_flags());
  app.get_option("--plan")
      ->excludes(app.get_option("--iterations"))
      ->excludes(app.get_option("--remove"));
  app.get_option("--pattern")->excludes(app.get_option("--sparsity"));
}

Json RecipeFlags::recipe() const {
  Json recipe = file_.empty() ? Json::object() : read_recipe(file_);
  for (const auto& [key, value] : flags_) {
    // The kinds of target exclude each other: a flag replaces the one in the file.
    if (key == "plan") recipe.erase("target");
    if (key == "target.iterations" || key == "target.remove") recipe.erase("plan");
    if (key == "target.iterations") recipe.erase("target");
    if (key == "target.remove" && recipe.contains("target") && recipe["target"].is_object()) {
      recipe["target"].erase("iterations");
    }
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
