// jobs/branch_settings.cc
#include "jobs/branch_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "allocate/allocation.h"
#include "criteria/criterion.h"

namespace mop {

Json settings_of(const PreparedRun& run, const std::string& branch) {
  const auto found = run.recipe.settings.find(branch);
  return found == run.recipe.settings.end() ? Json::object() : found->second;
}

bool may_differ(const Branch& branch, const Json& settings) {
  return branch.layers_differ ||
         find_allocation(settings.value("allocation", "uniform")).spread != nullptr;
}

std::vector<std::string> criteria_without_effect(const PreparedRun& run) {
  std::vector<std::string> read;
  for (const BranchUse& use : mix_recipe(run.recipe).branches) {
    if (!use.branch->criteria) continue;
    const auto more = use.branch->criteria(run.dense.config(), use.options);
    read.insert(read.end(), more.begin(), more.end());
  }
  std::vector<std::string> lines;
  for (const auto& [name, settings] : run.recipe.settings) {
    const bool is_read = std::ranges::find(read, name) != read.end();
    if (!is_criterion(name) || settings.empty() || is_read) continue;
    lines.push_back(fmt::format(
        "settings of '{}' have no effect: no branch of the run reads this criterion", name));
  }
  return lines;
}

}  // namespace mop
