// cli/recipe_flags.h -- flags that are settings of a recipe. The recipe file comes first, then
// flags, then --set.
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
  /// What decides sizes: target, selector, branches. For `plan` and `prune`.
  void add_sizes(CLI::App& app);
  /// What is measured on, with what. For `prune`.
  void add_run(CLI::App& app);
  /// The merged recipe.
  Json recipe() const;

 private:
  void add(CLI::App& app, std::span<const SettingFlag> flags);

  std::string file_;
  std::vector<std::pair<std::string, Json>> flags_;
  std::vector<std::string> sets_;
};

}  // namespace mop
