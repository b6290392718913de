// pipeline/catalog.cc -- everything that can be chosen by name, for `mop list`.
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
#include "pipeline/format_keys.h"
#include "pipeline/tasks.h"
#include "plan/branch.h"
#include "plan/depth_rule.h"
#include "recovery/methods.h"
#include "repair/repair.h"
#include "repair/sparse_weights.h"
#include "search/selector.h"
#include "stats/layer_stats.h"
#include "structure/currency.h"
#include "text/training_data.h"

namespace mop {
namespace {

Json row(std::string_view name, std::string_view summary) {
  return {{"name", name}, {"summary", summary}};
}

// Rows of any table whose entries have a name and a summary.
template <typename Table>
Json named_rows(const Table& table) {
  Json rows = Json::array();
  for (const auto& entry : table) rows.push_back(row(entry.name, entry.summary));
  return rows;
}

// The same with the paper that a row follows, where it names one.
template <typename Table>
Json sourced_rows(const Table& table) {
  Json rows = named_rows(table);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!table[i].source.empty()) rows[i]["source"] = table[i].source;
  }
  return rows;
}

Json criteria() {
  Json rows = sourced_rows(all_criteria());
  for (size_t i = 0; i < rows.size(); ++i) rows[i]["unit"] = unit_name(all_criteria()[i].unit);
  return rows;
}
Json depth_rules() { return sourced_rows(all_depth_rules()); }
Json allocations() { return sourced_rows(all_allocations()); }
Json selectors() { return named_rows(all_selectors()); }
Json protocols() { return named_rows(all_protocols()); }
Json tasks() { return named_rows(all_tasks()); }
Json formats() { return named_rows(all_formats()); }
Json currencies() { return named_rows(all_currencies()); }
Json sparse_methods() { return sourced_rows(all_sparse_methods()); }
Json repairs() { return named_rows(all_repairs()); }
Json methods() { return named_rows(all_methods()); }
Json schedules() { return named_rows(all_schedules()); }
Json training_forms() { return named_rows(all_training_forms()); }

Json branches() {
  Json rows = named_rows(all_branches());
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i]["letter"] = std::string(1, all_branches()[i].letter);
  return rows;
}

Json families() {
  Json rows = Json::array();
  for (const Family& family : all_families()) {
    rows.push_back(row(family.name,
                       fmt::format("{} (model_type {})", family.architecture, family.model_type)));
  }
  return rows;
}

Json statistics() {
  Json rows = Json::array();
  for (const StatRow& stat : all_statistics()) rows.push_back(row(stat.name, stat.summary));
  return rows;
}

Json budgets() {
  return {row(budget_name(BudgetKind::kExact),
              "one layer's worth a step, to the parameter; rounding is repaid"),
          row(budget_name(BudgetKind::kReleased), "the arithmetic of the authors' scripts")};
}

Json reader_rules() {
  Json rows = Json::array();
  for (const ReaderRule& rule : all_reader_rules()) {
    rows.push_back(row(rule.reader, std::string(rule.summary) +
                                        (rule.tried ? "" : " (read in its source, not run)")));
  }
  return rows;
}

Json rules() {
  return {row(rule_name(WidthRule::kMha),
              "heads and neurons; for models with as many KV heads as heads"),
          row(rule_name(WidthRule::kGqa), "whole KV groups and neurons"),
          row(rule_name(WidthRule::kMlpOnly), "neurons alone")};
}

Json keys() {
  Json rows = Json::array();
  for (const FormatKeys& format : all_format_keys()) {
    for (const KeyFate& key : format.keys) {
      rows.push_back(row(fmt::format("{}: {}", format.format, key.key),
                         fmt::format("{}: {}", fate_name(key.fate), key.why)));
    }
  }
  return rows;
}

struct Listing {
  std::string name;
  Json (*rows)();
};

const std::vector<Listing> kListings = {
    {"criteria", criteria},
    {"selectors", selectors},
    {"branches", branches},
    {"depth-rules", depth_rules},
    {"protocols", protocols},
    {"families", families},
    {"tasks", tasks},
    {"statistics", statistics},
    {"budgets", budgets},
    {"formats", formats},
    {"rules", rules},
    {"allocations", allocations},
    {"reader-rules", reader_rules},
    {"repairs", repairs},
    {"weights", sparse_methods},
    {"methods", methods},
    {"schedules", schedules},
    {"training-forms", training_forms},
    {"keys", keys},
    {"currencies", currencies},
};

}  // namespace

std::vector<std::string> catalog_names() {
  std::vector<std::string> names;
  for (const Listing& listing : kListings) names.push_back(listing.name);
  return names;
}

Json catalog(const std::string& name) {
  return find_by_name(std::span(kListings), name, "list").rows();
}

}  // namespace mop
