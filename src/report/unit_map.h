// report/unit_map.h -- remaining units of each layer: a figure of layers by units, numbered as in
// the dense model.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "report/table.h"

namespace mop {

/// Units `first` to `last`, removed in one step.
struct UnitRun {
  int64_t first = 0, last = 0;
  int64_t step = 0;  ///< from 1
};

/// One layer, or another owner of units of this kind.
struct UnitRow {
  enum class Gone { kUnits, kHalf, kWhole };
  std::string name;                   ///< "0"
  int64_t units = 0;                  ///< in the dense model
  std::vector<UnitRun> removed = {};  ///< increasing, without duplicates
  Gone gone = Gone::kUnits;           ///< kHalf, kWhole: all units, with the half or the layer
  int64_t gone_step = 0;              ///< step in which the half or layer was removed
  int64_t kept() const;
};

/// All units of one kind.
struct UnitMap {
  std::string title;  ///< "MLP neurons"
  std::string units;  ///< "neurons"
  std::string row;    ///< kind of a row: "layer"
  std::vector<UnitRow> rows;
};

/// Returns one strip per row: one cell per unit if the width allows, else columns shaded by the
/// removed fraction; beside it the number of remaining units. Empty without rows.
std::string unit_map_svg(const UnitMap& map);

/// Returns {row, units of the dense model, remaining units, removed units} of every row.
Table unit_map_table(const UnitMap& map);

}  // namespace mop
