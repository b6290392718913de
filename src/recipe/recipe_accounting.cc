// recipe/recipe_accounting.cc -- sizes that a recipe comes to, as far as they are known before
// the run.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "recipe/recipe.h"
#include "search/preview.h"

namespace mop {
namespace {

Accounting account_path(const Recipe& recipe, const ModelConfig& dense, const std::string& path) {
  const MixRecipe mix = mix_recipe(recipe);
  AccountOptions options{path, recipe.target, {}, mix.protect};
  for (const BranchUse& use : mix.branches) options.branches.emplace(use.branch->name, use.options);
  return account(dense, options);
}

// Whether a branch that takes single units may take whole halves, too.
bool halves_may_go(const Recipe& recipe, const ModelConfig& dense) {
  const MixRecipe mix = mix_recipe(recipe);
  return std::ranges::any_of(mix.branches, [&](const BranchUse& use) {
    const Reach reach = reach_of(*use.branch, dense, use.options);
    return reach.kept && reach.whole_parts;
  });
}

ModelConfig with_least_layers(const ModelConfig& dense, const KeptUnits& of_layers,
                              std::span<const int32_t> protect = {},
                              const KeptUnits& of_protected = {}) {
  ModelConfig least = dense;
  for (size_t i = 0; i < least.layers.size(); ++i) {
    LayerShape& shape = least.layers[i];
    const bool is_protected = std::ranges::find(protect, static_cast<int32_t>(i)) != protect.end();
    const KeptUnits& kept = is_protected ? of_protected : of_layers;
    const int64_t group = shape.group();
    shape.kv_heads = std::min(shape.kv_heads, kept.kv_groups);
    shape.heads = group * shape.kv_heads;
    shape.mlp = std::min(shape.mlp, kept.neurons);
  }
  return least;
}

// What can go of a target that counts something else than parameters: a group and a neuron stay.
double removable_fraction(const Target& target, const ModelConfig& dense) {
  const ModelConfig least = with_least_layers(dense, {.kv_groups = 1, .neurons = 1});
  return 1 -
         static_cast<double>(counted(target, least)) / static_cast<double>(counted(target, dense));
}

// Throws for a size that is smaller than what all branches leave together, as far as they tell.
void check_size_in_reach(const Recipe& recipe, const ModelConfig& dense) {
  const MixRecipe mix = mix_recipe(recipe);
  KeptUnits of_protected;
  for (const BranchUse& use : mix.branches) {
    const auto kept = reach_of(*use.branch, dense, use.options).kept;
    if (!kept) return;
    of_protected = {std::min(of_protected.kv_groups, kept->kv_groups),
                    std::min(of_protected.neurons, kept->neurons)};
  }
  const KeptUnits of_layers = halves_may_go(recipe, dense) ? KeptUnits{0, 0} : of_protected;
  const ModelConfig least = with_least_layers(dense, of_layers, mix.protect, of_protected);
  const double left = amount(recipe.target, with_what_follows(recipe.target, least));
  if (*recipe.target.size < left) throw out_of_reach(recipe.target, dense, left);
}

// Whether all branches distribute by damage curves, so that the first counts what all can remove.
bool by_curves_alone(const MixRecipe& mix) {
  return std::ranges::all_of(mix.branches, [](const BranchUse& use) {
    return use.branch->reads_curves && use.branch->any_currency;
  });
}

// As far as it can be told: nullopt when the target may be in reach.
std::optional<double> fraction_in_reach(const Recipe& recipe, const ModelConfig& dense) {
  if (recipe.target.rounds == 0 || halves_may_go(recipe, dense)) return std::nullopt;
  if (recipe.target.costs) return removable_fraction(recipe.target, dense);
  Recipe lenient = recipe;
  lenient.target.most_missing = INT64_MAX;
  const auto estimated = estimated_accounting(lenient, dense);
  if (!estimated || estimated->steps.empty()) return std::nullopt;
  const AccountedStep& last = estimated->steps.back();
  return estimated->removed_fraction(last, recipe.target);
}

}  // namespace

std::optional<Accounting> known_accounting(const Recipe& recipe, const ModelConfig& dense) {
  if (!recipe.target.in_parameters()) return std::nullopt;
  const auto path = preview_path(dense, mix_recipe(recipe), budget_function(recipe, dense));
  if (!path || path->empty()) return std::nullopt;
  return account_path(recipe, dense, *path);
}

std::optional<Accounting> estimated_accounting(const Recipe& recipe, const ModelConfig& dense) {
  if (!recipe.target.in_parameters()) return std::nullopt;
  // Branches that read curves take the same number of parameters: the first stands for all.
  std::string letters;
  for (const BranchUse& use : mix_recipe(recipe).branches) {
    letters += use.branch->letter;
    if (use.branch->reads_curves) break;
  }
  try {
    return account_path(recipe, dense, letters);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kBadInput) throw;
    return std::nullopt;  // the branches in turn cannot reach what a cleverer path may
  }
}

void check_reach(const Recipe& recipe, const ModelConfig& dense) {
  if (recipe.target.weights_alone) return;
  if (find_currency(recipe.target.currency).measured && !recipe.target.costs) return;
  next_budget(recipe.target, dense, dense, 0);
  if (recipe.target.size) return check_size_in_reach(recipe, dense);
  const MixRecipe mix = mix_recipe(recipe);
  if (recipe.target.rounds > 0 && recipe.target.in_parameters() && by_curves_alone(mix)) {
    try {
      account_path(recipe, dense, {mix.branches[0].branch->letter});
    } catch (Error& e) {
      if (e.kind() != ErrorKind::kBadInput) throw;
      throw std::move(e).where(
          "target", fmt::format("to remove {:.1f}% in {} rounds",
                                100 * recipe.target.remove_fraction, recipe.target.rounds));
    }
    return;
  }
  const std::optional<double> in_reach = fraction_in_reach(recipe, dense);
  constexpr double kRounding = 0.02;
  if (!in_reach || *in_reach > recipe.target.remove_fraction - kRounding) return;
  throw beyond_reach(recipe.target, *in_reach);
}

}  // namespace mop
