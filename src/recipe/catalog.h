// recipe/catalog.h -- all named choices and settings, from the declarations of their rows: for
// `mop list`, docs/reference.md and shell completion.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace mop {

struct CatalogTable {
  std::string name;     ///< "depth-rules"
  std::string summary;  ///< one line
  Json (*rows)();
};
const std::vector<CatalogTable>& catalog_tables();
std::vector<std::string> catalog_names();

/// Returns the rows of a table: [{name, summary, ...}], with source, deviations (["D17"]) and
/// options where declared. An option is {name, key, type, default, unset?, range?, help}; `key` is
/// the key for `--set`. Throws Error(kUsage) for an unknown table.
Json catalog(const std::string& table);
std::vector<std::string> row_names(const std::string& table);
/// Returns the rows called `name` or `name`-something: "wanda-sp" gives both of its criteria.
/// Throws Error(kUsage) if there is none.
Json catalog(const std::string& table, const std::string& name);

/// Describes an option, e.g. "number, default 0.08; at least 0: ridge of the inputs".
std::string setting_text(const Json& option);
/// Describes a row for people.
std::string row_text(const Json& row);

/// Returns docs/reference.md: all tables except that of the formats' keys.
std::string reference_markdown();

}  // namespace mop
