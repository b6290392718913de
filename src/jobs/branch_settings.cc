// jobs/branch_settings.cc
#include "jobs/branch_settings.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "allocate/allocation.h"
#include "criteria/criterion.h"

namespace mop {
namespace {

// The resolved section of a branch; empty if there is none.
Json settings_of(const PreparedRun& run, const std::string& branch) {
  const auto found = run.recipe.settings.find(branch);
  return found == run.recipe.settings.end() ? Json::object() : found->second;
}

// The section with its defaults filled in. A criterion decides about others.
Json section_with_defaults(const Branch& branch, const ModelConfig& dense, const Json& given) {
  Json named = Json::object();
  if (given.contains("criterion")) named["criterion"] = given["criterion"];
  return branch.defaults ? branch.defaults(dense, named) : Json::object();
}

// Settings of a run that only replays a plan, where they differ from the defaults: a resolved
// recipe has all of them.
std::vector<std::string> settings_beside_a_plan(const PreparedRun& run) {
  std::vector<std::string> names;
  if (!run.recipe.protect.empty()) names.emplace_back("protect");
  if (run.recipe.select != Recipe().select) names.emplace_back("select");
  if (run.recipe.branches != Recipe().branches) names.emplace_back("branches");
  for (const std::string& name : run.recipe.branches) {
    const Json given = settings_of(run, name);
    const Json defaults = section_with_defaults(find_branch(name), run.dense.config(), given);
    for (const auto& [key, value] : given.items()) {
      if (key.ends_with("seed") ||
          (key != "criterion" && defaults.contains(key) && defaults[key] == value))
        continue;
      names.push_back(name + "." + key);
    }
  }
  if (names.empty()) return {};
  return {fmt::format("without effect, as the steps of a plan are replayed: {}",
                      fmt::join(names, ", "))};
}

// Settings of other allocations than the branch's own.
std::vector<std::string> settings_of_other_allocations(const PreparedRun& run,
                                                       const std::string& branch) {
  const Json settings = settings_of(run, branch);
  const Allocation& chosen = find_allocation(settings.value("allocation", "uniform"));
  const auto reads = [](const Allocation& row, const std::string& key) {
    return std::ranges::find(row.options, key, &OptionSpec::name) != row.options.end();
  };
  std::vector<std::string> lines;
  for (const auto& item : settings.items()) {
    const std::string& key = item.key();
    const bool of_a_row =
        key == "layers" || std::ranges::any_of(all_allocations(), [&](const Allocation& row) {
          return reads(row, key);
        });
    if (!of_a_row || (key == "layers" ? !chosen.criterion.empty() : reads(chosen, key))) continue;
    lines.push_back(fmt::format("{}.{} has no effect: allocation '{}' does not read it", branch,
                                key, chosen.name));
  }
  return lines;
}

// Sections of criteria that no branch of the run reads.
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

}  // namespace

std::vector<std::string> settings_without_effect(const PreparedRun& run) {
  if (run.replay) return settings_beside_a_plan(run);
  std::vector<std::string> lines = criteria_without_effect(run);
  const std::vector<LayerShape>& layers = run.dense.config().layers;
  const int64_t groups = std::ranges::max(layers, {}, &LayerShape::kv_heads).kv_heads;
  bool whole_parts = false;
  for (const BranchUse& use : mix_recipe(run.recipe).branches) {
    const std::string& name = use.branch->name;
    if (settings_of(run, name).contains("allocation")) {
      const auto more = settings_of_other_allocations(run, name);
      lines.insert(lines.end(), more.begin(), more.end());
    }
    const Reach reach = reach_of(*use.branch, run.dense.config(), use.options);
    whole_parts = whole_parts || reach.whole_parts;
    const int64_t kept = reach.kept ? reach.kept->kv_groups : 1;
    if (kept < groups || kept == 1 || kept == kAllUnits) continue;
    const std::string line = fmt::format(
        "min_kv_groups {}: no head can be removed, as no layer has more than {} KV groups", kept,
        groups);
    if (std::ranges::find(lines, line) == lines.end()) lines.push_back(line);
  }
  if (!run.recipe.protect.empty() && !whole_parts) {
    lines.emplace_back(
        "`protect` has no effect: no whole layer or half can be removed, and protected layers may "
        "become narrower");
  }
  return lines;
}

}  // namespace mop
