// recipe/catalog.cc -- the tables of named choices and settings.
#include "recipe/catalog.h"

#include <fmt/ranges.h>

#include <array>

#include "allocate/allocation.h"
#include "allocate/width.h"
#include "base/named_table.h"
#include "criteria/criterion.h"
#include "eval/protocols.h"
#include "eval/tasks/task.h"
#include "export/formats.h"
#include "export/reader_rules.h"
#include "gradient/adamw.h"
#include "model/family.h"
#include "plan/branch.h"
#include "plan/depth_rule.h"
#include "recipe/format_keys.h"
#include "recipe/recipe_sections.h"
#include "recovery/methods.h"
#include "repair/repair.h"
#include "repair/sparse_weights.h"
#include "search/selector.h"
#include "stats/layer_stats.h"
#include "structure/currency.h"
#include "structure/unit.h"
#include "text/training_data.h"

namespace mop {
namespace {

Json named(std::string_view name, std::string_view summary) {
  return {{"name", name}, {"summary", summary}};
}

// `section`: the recipe section of the options; empty = none.
Json options_json(const std::vector<OptionSpec>& options, std::string_view section) {
  Json list = Json::array();
  for (const OptionSpec& spec : options) {
    Json option = to_json(spec);
    option["key"] = section.empty() ? spec.name : fmt::format("{}.{}", section, spec.name);
    list.push_back(option);
  }
  return list;
}

// The declaration of a row of any table.
template <typename Row>
Json described(const Row& row, std::string_view section) {
  Json json = named(row.name, row.summary);
  if constexpr (requires { row.unit; }) {
    if constexpr (std::is_same_v<std::decay_t<decltype(row.unit)>, UnitKind>) {
      json["unit"] = unit_name(row.unit);
    } else {
      json["unit"] = row.unit;
    }
  }
  if constexpr (requires { row.letter; }) json["letter"] = std::string(1, row.letter);
  if constexpr (requires { row.source; }) {
    if (!row.source.empty()) json["source"] = row.source;
  }
  if constexpr (requires { row.deviations; }) {
    for (const int number : row.deviations)
      json["deviations"].push_back(fmt::format("D{}", number));
  }
  if constexpr (requires { row.options; }) {
    if (!row.options.empty()) json["options"] = options_json(row.options, section);
  }
  return json;
}

template <typename Table>
Json rows_of(const Table& table, std::string_view section = "") {
  Json rows = Json::array();
  for (const auto& row : table) rows.push_back(described(row, section));
  return rows;
}

// The same for tables whose rows have sections of their own name.
template <typename Table>
Json rows_with_sections(const Table& table) {
  Json rows = Json::array();
  for (const auto& row : table) rows.push_back(described(row, row.name));
  return rows;
}

Json recipe_rows(std::span<const RecipeSection> sections, const std::string& of_top) {
  Json rows = Json::array();
  for (const RecipeSection& section : sections) {
    rows.push_back(named(section.name.empty() ? of_top : section.name, section.summary));
    rows.back()["options"] = options_json(section.options, section.name);
  }
  return rows;
}

Json families() {
  Json rows = Json::array();
  for (const Family& family : all_families()) {
    rows.push_back(named(
        family.name, fmt::format("{} (model_type {})", family.architecture, family.model_type)));
  }
  return rows;
}

Json tasks() {
  Json rows = rows_of(all_tasks());
  for (size_t i = 0; i < rows.size(); ++i) {
    const Task& task = all_tasks()[i];
    rows[i]["source"] =
        task.sees
            ? fmt::format("LLaVA-1.5's prompts, docs/formats.md, scored by likelihood; data {}",
                          task.dataset)
            : fmt::format("lm-evaluation-harness, version {} of the task; data {}", task.version,
                          task.dataset);
  }
  return rows;
}

struct PlainRow {
  std::string_view name, summary, source;
};

Json budgets() {
  return rows_of(std::array{
      PlainRow{budget_name(BudgetKind::kExact),
               "one layer's parameters per step, exact; rounding is carried over",
               "this project, docs/method.md, D2"},
      PlainRow{budget_name(BudgetKind::kReleased), "the arithmetic of the authors' scripts",
               "MoP, arXiv 2602.06127, released scripts"}});
}

Json rules() {
  constexpr std::string_view kSource = "MoP, arXiv 2602.06127";
  return rows_of(
      std::array{PlainRow{rule_name(WidthRule::kMha),
                          "heads and neurons; for models with as many KV heads as heads", kSource},
                 PlainRow{rule_name(WidthRule::kGqa), "whole KV groups and neurons", kSource},
                 PlainRow{rule_name(WidthRule::kMlpOnly), "neurons only", kSource}});
}

Json reader_rules() {
  Json rows = Json::array();
  for (const ReaderRule& rule : all_reader_rules()) {
    rows.push_back(named(rule.reader, std::string(rule.summary) +
                                          (rule.tried ? "" : " (from its source, not tested)")));
  }
  return rows;
}

Json keys() {
  Json rows = Json::array();
  for (const FormatKeys& format : all_format_keys()) {
    for (const KeyFate& key : format.keys) {
      rows.push_back(named(fmt::format("{}: {}", format.format, key.key),
                           fmt::format("{}: {}", fate_name(key.fate), key.why)));
    }
  }
  return rows;
}

}  // namespace

const std::vector<CatalogTable>& catalog_tables() {
  static const std::vector<CatalogTable> tables = {
      {"criteria", "scores of units and layers", [] { return rows_with_sections(all_criteria()); }},
      {"units", "removable units", [] { return rows_of(all_units()); }},
      {"selectors", "selection of each step's branch", [] { return rows_of(all_selectors()); }},
      {"branches", "ways to make the model smaller",
       [] { return rows_with_sections(all_branches()); }},
      {"depth-rules", "which layer the branch depth removes",
       [] { return rows_of(all_depth_rules(), "depth"); }},
      {"protocols", "ways to measure perplexity", [] { return rows_of(all_protocols()); }},
      {"families", "architectures of models", families},
      {"tasks", "zero-shot tasks", tasks},
      {"statistics", "measurements on calibration text", [] { return rows_of(all_statistics()); }},
      {"budgets", "arithmetic of the branch width", budgets},
      {"formats", "export formats", [] { return rows_of(all_formats()); }},
      {"rules", "which units the branch width removes", rules},
      {"allocations", "distribution of removed units over layers in the branch width",
       [] { return rows_of(all_allocations(), "width"); }},
      {"reader-rules", "shapes that other programs reject or approximate", reader_rules},
      {"repairs", "new values for the remaining weights, without training the whole model",
       [] { return rows_of(all_repairs(), "repair"); }},
      {"weights", "methods that set single weights to zero",
       [] { return rows_of(all_sparse_methods(), "weights"); }},
      {"methods", "training methods of recovery", [] { return rows_with_sections(all_methods()); }},
      {"schedules", "learning rate schedules", [] { return rows_of(all_schedules()); }},
      {"training-forms", "forms of training data", [] { return rows_of(all_training_forms()); }},
      {"keys", "how each key of a model's files is handled", keys},
      {"currencies", "quantities that a target counts", [] { return rows_of(all_currencies()); }},
      {"recipe",
       "settings of a pruning recipe, in addition to a section for each branch and "
       "criterion",
       [] { return recipe_rows(prune_sections(), "recipe"); }},
      {"recovery", "settings of a training recipe, and of the section recovery of a pruning recipe",
       [] { return recipe_rows(recover_sections(), "recovery"); }},
  };
  return tables;
}

std::vector<std::string> catalog_names() { return names_of(catalog_tables()); }

Json catalog(const std::string& table) {
  return find_by_name(std::span(catalog_tables()), table, "list").rows();
}

std::vector<std::string> row_names(const std::string& table) {
  std::vector<std::string> names;
  for (const Json& row : catalog(table)) names.push_back(row["name"]);
  return names;
}

Json catalog(const std::string& table, const std::string& name) {
  Json found = Json::array();
  for (const Json& row : catalog(table)) {
    const std::string own = row["name"];
    if (own == name || own.starts_with(name + "-")) found.push_back(row);
  }
  if (found.empty()) throw unknown_name("name in " + table, name, row_names(table));
  return found;
}

}  // namespace mop
