// search/preview.cc
#include "search/preview.h"

#include <map>
#include <numeric>

#include "base/error.h"
#include "search/candidates.h"

namespace mop {
namespace {

// State passed from step to step.
struct Walk {
  ModelConfig config;
  std::vector<int32_t> sources;
  std::map<std::string, Owed> owed;
};

// Takes one step and returns its letter.
char advance(Walk& walk, const MixRecipe& recipe, int64_t number, const StepBudget& budget) {
  std::vector<std::unique_ptr<BranchCandidate>> all;
  for (const BranchUse& use : recipe.branches) {
    all.push_back(
        std::make_unique<BranchCandidate>(use, BranchInput{.config = walk.config,
                                                           .budget = budget.amount,
                                                           .owed = walk.owed[use.branch->name],
                                                           .options = use.options,
                                                           .protect = recipe.protect,
                                                           .sources = walk.sources,
                                                           .costs = recipe.costs.get(),
                                                           .in_full = recipe.in_full,
                                                           .closing = budget.closing,
                                                           .remaining = budget.remaining}));
  }
  const std::vector<Candidate*> offered = candidates_to_offer(all);
  const auto [selector, argument] = find_selector(recipe.selector);
  Random random(recipe.seed, static_cast<uint64_t>(number));
  const auto validate = [](std::span<Candidate* const>) -> std::vector<Validation> {
    throw internal_error("a preview cannot validate");
  };
  const Selection selection = selector->choose({number, offered, validate, random}, argument);
  const auto& chosen = static_cast<BranchCandidate&>(*offered[selection.chosen]);
  const ShapeStep shapes = chosen.shapes();
  for (auto gone = shapes.removed_layers.rbegin(); gone != shapes.removed_layers.rend(); ++gone) {
    walk.sources.erase(walk.sources.begin() + *gone);
  }
  walk.owed[chosen.branch().name] = shapes.owed;
  walk.config = after_step(walk.config, shapes);
  return chosen.branch().letter;
}

}  // namespace

std::optional<std::string> preview_path(const ModelConfig& dense, const MixRecipe& recipe,
                                        const BudgetFunction& budget) {
  if (find_selector(recipe.selector).first->needs_validation) return std::nullopt;
  Walk walk{dense, std::vector<int32_t>(dense.layers.size()), {}};
  std::iota(walk.sources.begin(), walk.sources.end(), 0);
  std::string letters;
  StallCheck stall_check;
  while (const auto next = budget(walk.config, static_cast<int64_t>(letters.size()))) {
    const auto number = static_cast<int64_t>(letters.size()) + 1;
    try {
      letters += advance(walk, recipe, number, *next);
    } catch (Error& e) {
      throw std::move(e).where("step", std::to_string(number));
    }
    stall_check.check(walk.config);
  }
  return letters;
}

}  // namespace mop
