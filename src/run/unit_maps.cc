// run/unit_maps.cc -- plans as figures: a row of the table below is one kind of unit.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "run/read_run.h"

namespace mop {
namespace {

using Removals = std::vector<LayerRemoval> PlanStep::*;

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
constexpr std::array kTowerUnits = {LayerUnits{"Vision tower: heads", "heads", &LayerShape::heads,
                                               &LayerRemoval::heads, &LayerRemoval::attention},
                                    LayerUnits{"Vision tower: neurons", "neurons", &LayerShape::mlp,
                                               &LayerRemoval::neurons, &LayerRemoval::mlp}};

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
                             std::span<const PlanStep> steps, Removals removals) {
  std::vector<UnitRow> rows;
  for (size_t i = 0; i < dense.size(); ++i) {
    rows.push_back({.name = std::to_string(i), .units = dense[i].*kind.count});
  }
  for (size_t s = 0; s < steps.size(); ++s) {
    for (const LayerRemoval& removal : steps[s].*removals) {
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

// Channels belong to no layer: one row.
UnitMap channel_map(int64_t hidden, std::span<const PlanStep> steps) {
  UnitRow row{.name = "all", .units = hidden};
  for (size_t s = 0; s < steps.size(); ++s) {
    IndexList channels = steps[s].channels;
    std::ranges::sort(channels);
    add_runs(channels, static_cast<int64_t>(s) + 1, row.removed);
  }
  std::ranges::sort(row.removed, {}, &UnitRun::first);
  return {"Residual stream: hidden channels", "channels", "layers", {std::move(row)}};
}

std::vector<LayerShape> dense_layers(const std::vector<LayerShape>& left,
                                     std::span<const PlanStep> steps, Removals removals,
                                     std::span<const LayerUnits> kinds) {
  std::set<int32_t> whole;
  for (const PlanStep& step : steps) {
    for (const LayerRemoval& removal : step.*removals) {
      if (removal.whole) whole.insert(removal.layer);
    }
  }
  std::vector<LayerShape> dense(left.size() + whole.size());
  for (const LayerUnits& row : kinds) {
    std::vector<bool> unknown(dense.size(), false);
    for (size_t i = 0, next = 0; i < dense.size(); ++i) {
      unknown[i] = whole.contains(static_cast<int32_t>(i));
      if (!unknown[i] && next < left.size()) dense[i].*row.count = left[next++].*row.count;
    }
    for (const PlanStep& step : steps) {
      for (const LayerRemoval& removal : step.*removals) {
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

bool take_any(std::span<const PlanStep> steps, Removals removals) {
  return std::ranges::any_of(steps,
                             [&](const PlanStep& step) { return !(step.*removals).empty(); });
}

}  // namespace

std::vector<UnitMap> unit_maps(const ModelUnits& dense, std::span<const PlanStep> steps) {
  std::vector<UnitMap> maps;
  if (steps.empty()) return maps;
  const auto add = [&](std::span<const LayerUnits> kinds, const std::vector<LayerShape>& layers,
                       Removals removals) {
    for (const LayerUnits& kind : kinds) {
      maps.push_back({kind.title, kind.units, "layer", rows_of(kind, layers, steps, removals)});
    }
  };
  if (!dense.layers.empty()) add(kLayerUnits, dense.layers, &PlanStep::removals);
  if (!dense.tower.empty() && take_any(steps, &PlanStep::tower)) {
    add(kTowerUnits, dense.tower, &PlanStep::tower);
  }
  const bool channels =
      std::ranges::any_of(steps, [](const PlanStep& step) { return !step.channels.empty(); });
  if (channels && dense.hidden > 0) maps.push_back(channel_map(dense.hidden, steps));
  return maps;
}

ModelUnits dense_units(const ModelUnits& left, std::span<const PlanStep> steps) {
  ModelUnits dense{dense_layers(left.layers, steps, &PlanStep::removals, kLayerUnits),
                   dense_layers(left.tower, steps, &PlanStep::tower, kTowerUnits), left.hidden};
  for (const PlanStep& step : steps) {
    if (dense.hidden > 0) dense.hidden += std::ssize(step.channels);
  }
  return dense;
}

}  // namespace mop
