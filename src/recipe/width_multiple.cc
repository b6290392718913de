// recipe/width_multiple.cc
#include "recipe/width_multiple.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "model/composite.h"
#include "model/family.h"
#include "plan/branches/width_step.h"

namespace mop {
namespace {

// Multiples that readers need: K-quants 256, GPU kernels 64 or 128, q4_0, q8_0 and nf4 32.
constexpr std::array<int64_t, 4> kWanted = {256, 128, 64, 32};
constexpr std::array<int64_t, 4> kNarrow = {16, 8, 4, 2};
constexpr int64_t kLeast = kWanted.back();
constexpr double kAllowedMiss = 0.005;
constexpr double kOfTimes = 0.2;  // taken for a size of times that are still to be measured

int64_t counted(const Recipe& recipe, const ModelConfig& config) {
  return recipe.target.of_blocks ? block_parameters(config) : total_parameters(config);
}

Recipe with_multiple(Recipe recipe, const std::vector<OpenWidths>& open, int64_t multiple) {
  for (const auto& [name, heads] : open) {
    recipe.settings[name][kShapeMultiple.name] = multiple;
    if (heads && recipe.settings[name].contains(kHeadMultiple.name))
      recipe.settings[name][kHeadMultiple.name] = std::min(multiple, kLeast);
  }
  recipe.target.shape_multiple = multiple;
  return recipe;
}

// Half the smallest removals of KV groups in all layers.
int64_t half_groups(const ModelConfig& config, int64_t head_multiple) {
  int64_t parameters = 0;
  for (const LayerShape& shape : config.layers) {
    parameters +=
        group_stride(shape, head_multiple) * unit_parameters(UnitKind::kKvGroup, config, shape) / 2;
  }
  return parameters;
}

// What a branch's rounding may leave of the last budget. Branches that do not narrow layers may
// leave half a layer.
int64_t rounding_of(const BranchUse& use, const ModelConfig& dense) {
  const ModelConfig& part = use.branch->of_tower ? tower_config(dense) : dense;
  const Reach reach = reach_of(*use.branch, dense, use.options);
  const auto neurons = multiple_of(reach, UnitKind::kNeuron);
  if (!neurons) return layer_worth(part) / 2;
  const auto groups = multiple_of(reach, UnitKind::kKvGroup);
  return half_pack(part, *neurons) +
         (groups && !reach.neurons_fill ? half_groups(part, *groups) : 0);
}

int64_t most_missing(const Recipe& recipe, const ModelConfig& dense) {
  if (recipe.target.budget == BudgetKind::kReleased) return INT64_MAX;
  int64_t most = 0;
  for (const BranchUse& use : mix_recipe(recipe).branches) {
    most = std::max(most, rounding_of(use, dense));
  }
  return most;
}

// The fraction a run removes of the quantity its target counts, and whether it is known before the
// run.
struct Removed {
  double fraction = 0;
  bool known = false;
};

// nullopt = the target cannot be reached with these settings.
std::optional<Removed> removed_by(Recipe recipe, const ModelConfig& dense) {
  recipe.target.most_missing = most_missing(recipe, dense);
  try {
    const auto accounting = known_accounting(recipe, dense);
    if (!accounting) {
      const double steps = static_cast<double>(recipe.target.iterations * layer_worth(dense));
      const double asked = steps / static_cast<double>(counted(recipe, dense));
      if (recipe.target.iterations > 0) return Removed{asked, false};
      return Removed{recipe.target.remove_fraction > 0 ? recipe.target.remove_fraction : kOfTimes,
                     false};
    }
    const AccountedStep& last = accounting->steps.back();
    return Removed{accounting->removed_fraction(last, recipe.target), true};
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kBadInput) throw;
    return std::nullopt;
  }
}

// Fractions of the counted quantity: the maximum error of rounding to packs, and the actual one
// (infinite = the target cannot be reached).
double worst_miss(const Recipe& recipe, const ModelConfig& dense) {
  return static_cast<double>(half_pack(dense, recipe.target.shape_multiple)) /
         static_cast<double>(counted(recipe, dense));
}
double miss_of(const Recipe& recipe, const ModelConfig& dense, const Removed& single) {
  if (!single.known) return worst_miss(recipe, dense);
  const auto removed = removed_by(recipe, dense);
  return removed ? std::abs(removed->fraction - single.fraction) : INFINITY;
}

// Quantised formats need at least 32, so twice the error is allowed for it.
bool meets(const Recipe& recipe, const ModelConfig& dense, const Removed& single) {
  const double miss = miss_of(recipe, dense, single);
  if (miss <= std::min(kAllowedMiss, single.fraction / 20)) return true;
  return recipe.target.shape_multiple == kLeast && !std::isinf(miss) &&
         worst_miss(recipe, dense) <= std::min(0.01, single.fraction / 10);
}

// A step must be able to remove a pack from every layer.
bool fits_a_step(const ModelConfig& dense, int64_t multiple) {
  return 2 * half_pack(dense, multiple) <= layer_worth(dense);
}

int64_t best_multiple(const Recipe& recipe, const std::vector<OpenWidths>& open,
                      const ModelConfig& dense) {
  const auto single = removed_by(with_multiple(recipe, open, 1), dense);
  if (!single) return 1;  // unreachable in any case; reported elsewhere
  const auto fits = [&](int64_t multiple) {
    return fits_a_step(dense, multiple) &&
           meets(with_multiple(recipe, open, multiple), dense, *single);
  };
  for (const auto& multiples : {kWanted, kNarrow}) {
    const auto* found = std::ranges::find_if(multiples, fits);
    if (found != multiples.end()) return *found;
  }
  return 1;
}

// The branches of a resolved recipe as if their multiples were not set: head multiples that follow
// from widths are included.
std::vector<OpenWidths> branches_with_widths(const Recipe& recipe) {
  std::vector<OpenWidths> branches;
  for (const BranchUse& use : mix_recipe(recipe).branches) {
    const Json& settings = recipe.settings.at(use.branch->name);
    if (!settings.contains(kShapeMultiple.name) || use.branch->of_tower)
      continue;  // a tower has its own multiples
    const int64_t heads = settings.value(kHeadMultiple.name, int64_t{1});
    const bool follow = heads == std::min(settings[kShapeMultiple.name].get<int64_t>(), kLeast);
    branches.push_back({use.branch->name, follow});
  }
  return branches;
}

// The error of 32, reported if it exceeds the limit for wider multiples.
std::string told_miss(const Recipe& recipe, const std::vector<OpenWidths>& names,
                      const ModelConfig& dense) {
  const auto single = removed_by(with_multiple(recipe, names, 1), dense);
  const double miss = single ? miss_of(recipe, dense, *single) : 0;
  if (miss <= kAllowedMiss || std::isinf(miss)) return "";
  return fmt::format(": the target is missed by {}{:.2f}%", single->known ? "" : "up to ",
                     100 * miss);
}

std::string why_narrow(const Recipe& recipe, const std::vector<OpenWidths>& names,
                       const ModelConfig& dense) {
  const auto single = removed_by(with_multiple(recipe, names, 1), dense);
  const double miss =
      single ? miss_of(with_multiple(recipe, names, kLeast), dense, *single) : INFINITY;
  if (std::isinf(miss)) return "the target cannot be reached in multiples of 32";
  return fmt::format("in multiples of 32 the target would be missed by up to {:.1f}%", 100 * miss);
}

// Multiples that the recipe names, those of `open` branches excepted.
void refuse_multiples_of_no_width(const Recipe& recipe, const std::vector<OpenWidths>& open,
                                  const ModelConfig& dense) {
  const int64_t widest = std::ranges::max(dense.layers, {}, &LayerShape::mlp).mlp;
  for (const auto& [name, follow] : branches_with_widths(recipe)) {
    const int64_t multiple = recipe.settings.at(name)[kShapeMultiple.name].get<int64_t>();
    const bool named = std::ranges::find(open, name, &OpenWidths::branch) == open.end();
    if (!named || widest == 0 || multiple <= widest) continue;
    throw usage_error("{}.{} {} is more than the width of the model's MLPs, {}", name,
                      kShapeMultiple.name, multiple, widest)
        .hint("give a multiple that divides the width, such as 32; or omit it");
  }
}

}  // namespace

void choose_width_multiples(Recipe& recipe, const std::vector<OpenWidths>& open,
                            const ModelConfig& dense) {
  refuse_multiples_of_no_width(recipe, open, dense);
  std::vector<OpenWidths> used;
  for (const auto& [name, follow] : branches_with_widths(recipe)) {
    const auto it = std::ranges::find(open, name, &OpenWidths::branch);
    if (it != open.end() && recipe.target.budget != BudgetKind::kReleased) used.push_back(*it);
  }
  if (recipe.plan.empty() && !used.empty()) {
    recipe = with_multiple(recipe, used, best_multiple(recipe, used, dense));
  }
  recipe.target.shape_multiple = 1;
  for (const auto& [name, follow] : branches_with_widths(recipe)) {
    recipe.target.shape_multiple = std::max(
        recipe.target.shape_multiple, recipe.settings[name][kShapeMultiple.name].get<int64_t>());
  }
  for (const BranchUse& use : mix_recipe(recipe).branches) {
    if (!recipe.target.of_tower || !use.branch->of_tower) continue;
    recipe.target.shape_multiple =
        recipe.settings.at(use.branch->name).at(kShapeMultiple.name).get<int64_t>();
  }
  recipe.target.most_missing = most_missing(recipe, dense);
}

std::string width_multiple_text(const Recipe& recipe, const ModelConfig& dense) {
  const std::vector<OpenWidths> names = branches_with_widths(recipe);
  if (names.empty() || !recipe.plan.empty()) return "";
  if (recipe.target.budget == BudgetKind::kReleased) {
    return "widths: any, as budget 'released' counts";
  }
  const int64_t multiple = recipe.target.shape_multiple;
  const int64_t chosen = best_multiple(recipe, names, dense);
  const std::string text =
      multiple == 1 ? "widths: any" : fmt::format("widths: multiples of {}", multiple);
  if (multiple != chosen) {
    return text + fmt::format(", as the recipe says; by default multiples of {}", chosen);
  }
  if (multiple > kLeast)
    return text + ", the largest (of 256, 128, 64 and 32) that meets the target within 0.5%";
  if (multiple == kLeast)
    return text + ", as quantised formats need" + told_miss(recipe, names, dense);
  return text + ": " + why_narrow(recipe, names, dense);
}

}  // namespace mop
