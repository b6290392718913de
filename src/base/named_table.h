// base/named_table.h -- lookup by name in the tables of criteria, branches, selectors and so on.
#pragma once
#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/nearest.h"
#include "base/option.h"

namespace mop {

template <typename Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto& row : table) names.emplace_back(row.name);
  return names;
}

/// Returns an error for a `name` that is not one of `known`.
inline Error unknown_name(std::string_view what, std::string_view name,
                          std::span<const std::string> known) {
  std::string list;
  for (const std::string& one : known) list += (list.empty() ? "" : ", ") + one;
  const std::string question = did_you_mean(name, known);
  return usage_error("unknown {} '{}'{}{}", what, name, question.empty() ? "" : ": ", question)
      .hint("known: " + list);
}

/// Returns the row of `table` with this `name`. Throws Error(kUsage) that lists the known names.
template <typename Row>
const Row& find_by_name(std::span<const Row> table, std::string_view name, std::string_view what) {
  const auto row =
      std::find_if(table.begin(), table.end(), [&](const Row& r) { return r.name == name; });
  if (row != table.end()) return *row;
  throw unknown_name(what, name, names_of(table));
}

/// Range of a setting whose value is the name of a row: `.range = row_of<all_selectors>()`.
template <auto table>
OptionRange row_of() {
  return {.names = [] { return names_of(table()); }};
}

}  // namespace mop
