// base/named_table.h -- things chosen by name live in one table; looking one up is the same
// everywhere.
#pragma once
#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace mop {

/// The row of `table` whose `.name` is `name`. Throws Error(kUsage) that lists the known names.
template <typename Row>
const Row& find_by_name(std::span<const Row> table, std::string_view name, std::string_view what) {
  const auto row =
      std::find_if(table.begin(), table.end(), [&](const Row& r) { return r.name == name; });
  if (row != table.end()) return *row;
  std::string known;
  for (const Row& r : table) known += (known.empty() ? "" : ", ") + std::string(r.name);
  throw usage_error("unknown {} '{}'", what, name).hint("known: " + known);
}

}  // namespace mop
