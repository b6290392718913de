// run/unit_maps.cc -- plans as figures: a row of the table below is one kind of unit.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "run/read_run.h"

namespace mop {
namespace {

// Units of one kind in a layer.
struct LayerUnits {
  const char *title, *units;
  int64_t LayerShape::*count;
  IndexList LayerRemoval::*removed;
  bool LayerRemoval::*half;  ///< the half that contains them
};

constexpr std::array kLayerUnits = {
    LayerUnits{"Attention: KV groups", "KV groups", &LayerShape::kv_heads, &LayerRemoval::kv_heads,
               &LayerRemoval::attention},
    LayerUnits{"MLP: neurons", "neurons", &LayerShape::mlp, &LayerRemoval::neurons,
               &LayerRemoval::mlp}};

void add_runs(const IndexList& indices, int64_t step, std::vector<UnitRun>& runs) {
  for (const int32_t index : indices) {
    if (!runs.empty() && runs.back().step == step && runs.back().last == index - 1) {
      runs.back().last = index;
    } else {
      runs.push_back({index, index, step});
    }
  }
}

void take(UnitRow& row, const LayerRemoval& removal, const LayerUnits& kind, int64_t step) {
  if (removal.whole || removal.*kind.half) {
    row.gone = removal.whole ? UnitRow::Gone::kWhole : UnitRow::Gone::kHalf;
    row.gone_step = step;
  }
  add_runs(removal.*kind.removed, step, row.removed);
}

std::vector<UnitRow> rows_of(const LayerUnits& kind, const std::vector<LayerShape>& dense,
                             std::span<const PlanStep> steps) {
  std::vector<UnitRow> rows;
  for (size_t i = 0; i < dense.size(); ++i) {
    rows.push_back({.name = std::to_string(i), .units = dense[i].*kind.count});
  }
  for (size_t s = 0; s < steps.size(); ++s) {
    for (const LayerRemoval& removal : steps[s].removals) {
      const auto layer = static_cast<size_t>(removal.layer);
      if (layer < rows.size()) take(rows[layer], removal, kind, static_cast<int64_t>(s) + 1);
    }
  }
  for (UnitRow& row : rows) std::ranges::sort(row.removed, {}, &UnitRun::first);
  return rows;
}

// The most frequent of the known sizes.
int64_t commonest(const std::vector<int64_t>& sizes) {
  std::map<int64_t, size_t> counts;
  for (const int64_t size : sizes) ++counts[size];
  int64_t best = 0;
  for (const auto& [size, count] : counts) {
    if (best == 0 || count > counts[best]) best = size;
  }
  return best;
}

}  // namespace

std::vector<UnitMap> unit_maps(const std::vector<LayerShape>& dense,
                               std::span<const PlanStep> steps) {
  std::vector<UnitMap> maps;
  if (dense.empty() || steps.empty()) return maps;
  for (const LayerUnits& kind : kLayerUnits) {
    maps.push_back({kind.title, kind.units, "layer", rows_of(kind, dense, steps)});
  }
  return maps;
}

std::vector<LayerShape> dense_layers(const std::vector<LayerShape>& left,
                                     std::span<const PlanStep> steps) {
  std::set<int32_t> whole;
  for (const PlanStep& step : steps) {
    for (const LayerRemoval& removal : step.removals) {
      if (removal.whole) whole.insert(removal.layer);
    }
  }
  std::vector<LayerShape> dense(left.size() + whole.size());
  for (const LayerUnits& row : kLayerUnits) {
    std::vector<bool> unknown(dense.size(), false);
    for (size_t i = 0, next = 0; i < dense.size(); ++i) {
      unknown[i] = whole.contains(static_cast<int32_t>(i));
      if (!unknown[i] && next < left.size()) dense[i].*row.count = left[next++].*row.count;
    }
    for (const PlanStep& step : steps) {
      for (const LayerRemoval& removal : step.removals) {
        const auto layer = static_cast<size_t>(removal.layer);
        if (layer >= dense.size()) continue;
        unknown[layer] = unknown[layer] || removal.*row.half;
        dense[layer].*row.count += std::ssize(removal.*row.removed);
      }
    }
    std::vector<int64_t> sizes;
    for (size_t i = 0; i < dense.size(); ++i) {
      if (!unknown[i]) sizes.push_back(dense[i].*row.count);
    }
    const int64_t usual = commonest(sizes);
    for (size_t i = 0; i < dense.size(); ++i) {
      if (unknown[i]) dense[i].*row.count = usual;
    }
  }
  return dense;
}

}  // namespace mop
