// recipe/repair_section.cc
#include "recipe/repair_section.h"

#include "base/error.h"
#include "base/options.h"
#include "recipe/recipe_options.h"
#include "recipe/recipe_sections.h"

namespace mop {
namespace {

const Repair& repair_of(const Json& resolved) {
  return find_repair(resolved["method"].get<std::string>());
}

}  // namespace

bool asks_for_repair(const Json& recipe) {
  if (recipe.value("repair", Json()).is_null()) return false;
  return section(recipe, "repair").json().value("method", Json()) != "none";
}

Json resolved_repair(const Json& section) {
  if (!section.is_object()) {
    throw usage_error("repair must be a map of settings, got {}", section.dump())
        .hint("repair: {method: least-squares}, or {method: none}");
  }
  const Options given("repair", section);
  const std::string method = given.get(recipe_options::kRepair, std::string("least-squares"));
  const Repair& row = find_repair(method);
  std::vector<OptionSpec> declared = options_of(prune_sections(), "repair");
  declared.insert(declared.end(), row.options.begin(), row.options.end());
  const Options options("repair", section, declared);
  Json resolved = {{"method", method},
                   {"when", options.get(recipe_options::kWhen, std::string("end"))}};
  if (row.adds_tensors && repairs_steps(resolved)) {
    throw usage_error(
        "repair.when: steps repairs before every step, but '{}' adds tensors, which steps do not "
        "count",
        method)
        .hint("repair.when: end");
  }
  resolved.update(filled_in(options, row.options));
  return resolved;
}

bool repairs_steps(const Json& repair) { return !repair.is_null() && repair["when"] == "steps"; }

std::vector<RepairPass> repairs_at_end(const Json& repair) {
  std::vector<RepairPass> passes;
  if (repair.is_null()) return passes;
  const Repair& row = repair_of(repair);
  if (!repairs_steps(repair)) passes.push_back(row.solve);
  if (row.finish) passes.push_back(*row.finish);
  return passes;
}

const RepairPass& repair_of_steps(const Json& repair) { return repair_of(repair).solve; }

bool repair_adds_tensors(const Json& repair) {
  return !repair.is_null() && repair_of(repair).adds_tensors;
}

bool repair_trains(const Json& repair) {
  return !repair.is_null() && repair_of(repair).finish.has_value();
}

}  // namespace mop
