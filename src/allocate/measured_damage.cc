// allocate/measured_damage.cc
#include "allocate/measured_damage.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "structure/unit.h"

namespace mop {
namespace {

double parameters_of(const std::vector<HalfLayerCurve>& halves, const WidthCounts& counts) {
  const std::vector<int64_t> gone = units_gone(halves, counts);
  double sum = 0;
  for (size_t i = 0; i < halves.size(); ++i) sum += halves[i].gain * static_cast<double>(gone[i]);
  return sum;
}

// Removed units at the measured sizes: the number of kept units is a multiple of the pack, or all
// units are removed.
std::vector<int64_t> sizes_to_judge(const HalfLayerCurve& half, int64_t most_levels) {
  const int64_t levels = std::min(most_levels, half.units);
  std::vector<int64_t> gone;
  for (int64_t level = 1; level <= levels; ++level) {
    int64_t kept = half.units - half.units * level / levels;
    kept = std::max((kept + half.pack - 1) / half.pack * half.pack,
                    (half.keep + half.pack - 1) / half.pack * half.pack);
    const int64_t count = half.units - kept;
    if (count > (gone.empty() ? 0 : gone.back())) gone.push_back(count);
  }
  return gone;
}

// The damage of every count up to the last measured one.
std::vector<double> interpolated(const std::vector<int64_t>& gone,
                                 const std::vector<double>& damages) {
  std::vector<double> damage;
  int64_t last_gone = 0;
  double last = 0;
  for (size_t i = 0; i < gone.size(); ++i) {
    const double here = std::max(last, damages[i]);
    const int64_t steps = gone[i] - last_gone;
    for (int64_t k = 1; k <= steps; ++k) {
      damage.push_back(k == steps ? here
                                  : last + (here - last) * static_cast<double>(k) /
                                               static_cast<double>(steps));
    }
    last_gone = gone[i];
    last = here;
  }
  return damage;
}

void measure(const SpreadInput& in, std::vector<HalfLayerCurve>& halves) {
  const std::vector<int64_t> none(halves.size(), 0);
  const double dense = in.judge({width_counts(in.config, halves, none)})[0];
  for (size_t i = 0; i < halves.size(); ++i) {
    std::vector<int64_t> gone = sizes_to_judge(halves[i], in.options.damage_levels);
    std::vector<WidthCounts> candidates;
    for (const int64_t count : gone) {
      std::vector<int64_t> counts = none;
      counts[i] = count;
      candidates.push_back(width_counts(in.config, halves, counts));
    }
    if (candidates.empty()) continue;
    std::vector<double> damages = in.judge(candidates);
    for (double& damage : damages) damage -= dense;
    // The curve ends before the first non-finite loss, so that such sizes are not chosen.
    const auto finite =
        std::ranges::find_if_not(damages, [](double d) { return std::isfinite(d); });
    gone.resize(static_cast<size_t>(finite - damages.begin()));
    damages.resize(gone.size());
    halves[i].damage = interpolated(gone, damages);
    in.note(fmt::format("damage of {} of {} half layers measured", i + 1, halves.size()));
  }
}

}  // namespace

std::vector<HalfLayerCurve> scored_half_layers(const SpreadInput& input) {
  std::vector<HalfLayerCurve> halves;
  for (size_t i = 0; i < input.config.layers.size(); ++i) {
    const LayerShape& shape = input.config.layers[i];
    for (const UnitKind kind : {UnitKind::kKvGroup, UnitKind::kNeuron}) {
      const bool neurons = kind == UnitKind::kNeuron;
      const auto* scores = neurons ? input.scores.neurons : input.scores.kv_groups;
      if (scores == nullptr || num_units(kind, shape) == 0) continue;
      HalfLayerCurve half;
      half.layer = static_cast<int64_t>(i);
      half.kind = kind;
      half.units = num_units(kind, shape);
      half.gain = static_cast<double>(unit_parameters(kind, input.config, shape));
      half.pack =
          neurons ? input.options.shape_multiple : group_stride(shape, input.options.head_multiple);
      half.stride = half.pack;
      half.keep = neurons ? 1 : std::max<int64_t>(input.options.min_kv_groups, 1);
      halves.push_back(std::move(half));
    }
  }
  return halves;
}

WidthCounts width_counts(const ModelConfig& config, const std::vector<HalfLayerCurve>& halves,
                         const std::vector<int64_t>& gone) {
  const std::vector<int64_t> none(config.layers.size(), 0);
  WidthCounts counts{none, none, {}};
  for (size_t i = 0; i < halves.size(); ++i) {
    const bool neurons = halves[i].kind == UnitKind::kNeuron;
    (neurons ? counts.neurons : counts.kv_groups)[static_cast<size_t>(halves[i].layer)] = gone[i];
  }
  return counts;
}

std::vector<int64_t> units_gone(const std::vector<HalfLayerCurve>& halves,
                                const WidthCounts& counts) {
  std::vector<int64_t> gone;
  for (const HalfLayerCurve& half : halves) {
    const bool neurons = half.kind == UnitKind::kNeuron;
    gone.push_back((neurons ? counts.neurons : counts.kv_groups)[static_cast<size_t>(half.layer)]);
  }
  return gone;
}

WidthCounts spread_by_measured_damage(const SpreadInput& input, AllocateCurves allocate) {
  std::vector<HalfLayerCurve> halves = scored_half_layers(input);
  measure(input, halves);
  const double target = parameters_of(halves, input.uniform);
  const DamageAllocation found =
      allocate(halves, {.gain = target, .in_full = input.options.in_full});
  WidthCounts counts = width_counts(input.config, halves, found.counts);
  counts.owed = input.uniform.owed;
  counts.owed.parameters += target - found.gain;
  return counts;
}

}  // namespace mop
