// jobs/target_text.cc
#include "jobs/target_text.h"

#include <fmt/format.h>

#include "report/table.h"

namespace mop {
namespace {

std::string size_target_text(const Target& target, const ModelConfig& dense) {
  const Currency& currency = find_currency(target.currency);
  const std::string of = target.of_blocks  ? "of the layers "
                         : target.of_tower ? "of the vision tower's heads and MLPs "
                                           : "";
  const std::string size = currency.text(*target.size);
  if (!prices(target)) return fmt::format("{}: at most {} {}is left", currency.name, size, of);
  return fmt::format("{}: at most {} {}is left of {}, so {} is removed", currency.name, size, of,
                     currency.text(amount(target, dense)), percent(target.remove_fraction));
}

}  // namespace

std::string target_text(const Recipe& recipe, const ModelConfig& dense) {
  if (recipe.target.weights_alone) return "single weights";
  if (recipe.target.iterations > 0) return fmt::format("{} steps", recipe.target.iterations);
  if (recipe.target.size) return size_target_text(recipe.target, dense);
  if (!recipe.target.counts_parameters()) {
    return fmt::format("until {} of the {}{} is removed", percent(recipe.target.remove_fraction),
                       recipe.target.of_blocks ? "layers' " : "", recipe.target.currency);
  }
  return fmt::format("until {} of the {} are removed", percent(recipe.target.remove_fraction),
                     recipe.target.of_blocks  ? "layers' parameters"
                     : recipe.target.of_tower ? "vision tower's heads and MLPs"
                                              : "parameters");
}

}  // namespace mop
