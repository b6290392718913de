// cli/recipe_flags.h -- builds a recipe from the command line. Flags override the recipe file;
// --set overrides both.
#pragma once
#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace mop {

struct SettingFlag;

class RecipeFlags {
 public:
  /// Adds the flags that determine sizes: target, selector, branches. For `plan` and `prune`.
  void add_sizes(CLI::App& app);
  /// Adds the flags for data, criteria and compute. For `prune`.
  void add_run(CLI::App& app);
  /// Returns the merged recipe.
  Json recipe() const;

 private:
  void add(CLI::App& app, std::span<const SettingFlag> flags);

  std::string file_;
  std::vector<std::pair<std::string, Json>> flags_;
  std::vector<std::string> sets_;
};

}  // namespace mop
