// cli/recipe_flags.h -- flags that are settings of a recipe. The recipe file comes first, then
// flags, then --set.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace mop {

class RecipeFlags {
 public:
  /// What decides sizes: target, selector, branches. For `plan` and `prune`.
  void add_sizes(CLI::App& app);
  /// What is measured on, with what. For `prune`.
  void add_run(CLI::App& app);
  /// The merged recipe.
  Json recipe() const;

 private:
  template <typename T>
  CLI::Option* add(CLI::App& app, const std::string& flag, const std::string& key,
                   const std::string& help);

  std::string file_;
  std::vector<std::pair<std::string, Json>> flags_;
  std::vector<std::string> sets_;
};

}  // namespace mop
