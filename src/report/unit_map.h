// report/unit_map.h -- which units of each layer are left: a picture of layers by units, in the
// numbers of the dense model.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "report/table.h"

namespace mop {

/// Units `first` to `last`, gone in one step.
struct UnitRun {
  int64_t first = 0, last = 0;
  int64_t step = 0;  ///< from 1
};

/// One layer, or whatever units of this kind belong to.
struct UnitRow {
  enum class Gone { kUnits, kHalf, kWhole };
  std::string name;                   ///< "0"
  int64_t units = 0;                  ///< the dense model has
  std::vector<UnitRun> removed = {};  ///< rising, none twice
  Gone gone = Gone::kUnits;           ///< kHalf, kWhole: all of them, with the half or the layer
  int64_t gone_step = 0;              ///< in which step that was
  int64_t kept() const;
};

/// All units of one kind.
struct UnitMap {
  std::string title;  ///< "MLP neurons"
  std::string units;  ///< "neurons"
  std::string row;    ///< what a row is: "layer"
  std::vector<UnitRow> rows;
};

/// A strip a row: a cell a unit where there is room, else columns whose shade is the fraction that
/// went; beside it how many are left. Empty without rows.
std::string unit_map_svg(const UnitMap& map);

/// {row, units of the dense model, units left, which went} of every row.
Table unit_map_table(const UnitMap& map);

}  // namespace mop
