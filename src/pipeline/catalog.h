// pipeline/catalog.h -- everything that can be chosen by name or set, as its rows declare it: for
// `mop list`, docs/reference.md, shell completion.
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

/// The rows of a table: [{name, summary, ...}], with source, deviations (["D17"]) and options where
/// a row declares them. An option is {name, key, type, default, unset?, range?, help}; `key` is
/// what
/// `--set` takes. Throws Error(kUsage) for an unknown table.
Json catalog(const std::string& table);
std::vector<std::string> row_names(const std::string& table);
/// Of these the rows called `name` or `name`-something: "wanda-sp" are both of its criteria. Throws
/// Error(kUsage) when there is none.
Json catalog(const std::string& table, const std::string& name);

/// "number, default 0.08; at least 0: how far a layer's share may be from the mean", of an option.
std::string setting_text(const Json& option);
/// What one row declares, for people.
std::string row_text(const Json& row);

/// docs/reference.md: all tables but that of the formats' keys.
std::string reference_markdown();

}  // namespace mop
