// jobs/score_counts.cc
#include "jobs/score_counts.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "criteria/criterion.h"

namespace mop {
namespace {

struct ScoredUnit {
  int32_t layer = 0;  // in the source
  double score = 0;
  bool removed = false;
};

const LayerRemoval* removal_of(const PlanStep& step, int32_t layer) {
  const auto found = std::ranges::find(step.removals, layer, &LayerRemoval::layer);
  return found == step.removals.end() ? nullptr : &*found;
}

// The present and the removed units of a kind in one layer.
struct UnitLists {
  const IndexList* kept = nullptr;
  bool all_go = false;
  const IndexList* removed = nullptr;  // null = none
};

// Whether a layer's only unit of this kind is removed.
bool one_goes(UnitKind kind, const LayerRemoval* removal) {
  if (removal == nullptr) return false;
  return removal->whole || (kind == UnitKind::kAttention && removal->attention) ||
         (kind == UnitKind::kMlp && removal->mlp);
}

UnitLists lists_of(UnitKind kind, const Layer& layer, const LayerRemoval* removal) {
  const bool neurons = kind == UnitKind::kNeuron;
  UnitLists lists{neurons ? &layer.neurons : &layer.kv_heads};
  if (removal == nullptr) return lists;
  lists.all_go = one_goes(neurons ? UnitKind::kMlp : UnitKind::kAttention, removal);
  lists.removed = neurons ? &removal->neurons : &removal->kv_heads;
  return lists;
}

bool goes(const UnitLists& lists, size_t position) {
  return lists.all_go || (lists.removed != nullptr &&
                          std::ranges::binary_search(*lists.removed, (*lists.kept)[position]));
}

// Whether layers have many units of this kind; of other kinds they have one.
bool is_counted(UnitKind kind) {
  return kind == UnitKind::kKvGroup || kind == UnitKind::kNeuron || kind == UnitKind::kChannel;
}

std::vector<ScoredUnit> scored_units(const Model& model, UnitKind kind, const PlanStep& taken,
                                     const std::vector<at::Tensor>& scores) {
  std::vector<ScoredUnit> units;
  for (size_t i = 0; i < scores.size() && i < model.layers().size(); ++i) {
    const Layer& layer = model.layers()[i];
    const LayerRemoval* removal = removal_of(taken, layer.source);
    const UnitLists lists = lists_of(kind, layer, removal);
    const auto values = scores[i].contiguous();
    const double* score = values.const_data_ptr<double>();
    for (int64_t u = 0; u < values.numel(); ++u) {
      const bool removed =
          is_counted(kind) ? goes(lists, static_cast<size_t>(u)) : one_goes(kind, removal);
      units.push_back({layer.source, score[u], removed});
    }
  }
  return units;
}

// Channels belong to the model and are ranked by the sum of their scores over the layers.
std::vector<ScoredUnit> scored_channels(const Model& model, const PlanStep& taken,
                                        const std::vector<at::Tensor>& scores) {
  std::vector<ScoredUnit> units;
  for (const int32_t channel : model.channels())
    units.push_back({0, 0, std::ranges::binary_search(taken.channels, channel)});
  for (const at::Tensor& layer_D : scores) {
    const at::Tensor values_D = layer_D.contiguous();
    const double* score = values_D.const_data_ptr<double>();
    for (size_t u = 0; u < units.size(); ++u) units[u].score += score[u];
  }
  return units;
}

// The increase of the damage by each unit, in the order of removal.
void add_curve(const DamageCurve& curve, const UnitLists& lists, int32_t layer,
               std::vector<ScoredUnit>& units) {
  double before = 0;
  for (size_t k = 0; k < curve.damage.size(); ++k) {
    const auto position = static_cast<size_t>(curve.order[k]);
    units.push_back({layer, curve.damage[k] - before, goes(lists, position)});
    before = curve.damage[k];
  }
}

std::vector<ScoredUnit> units_of_curves(const StepMeasures& measured, UnitKind kind,
                                        const PlanStep& taken) {
  std::vector<ScoredUnit> units;
  for (size_t i = 0; i < measured.curves.size(); ++i) {
    const Layer& layer = measured.model->layers()[i];
    const LayerCurves& curves = measured.curves[i];
    add_curve(kind == UnitKind::kNeuron ? curves.neurons : curves.kv_groups,
              lists_of(kind, layer, removal_of(taken, layer.source)), layer.source, units);
  }
  return units;
}

constexpr int kBins = 36;
constexpr int kMostDecades = 9;  // smaller scores count as `below`

// Rounds to six digits, for the same text on every machine.
double rounded(double value) {
  return value == 0 ? 0 : std::strtod(fmt::format("{:.5e}", value).c_str(), nullptr);
}

struct Bins {
  bool logarithmic = false;
  std::vector<double> edges;
};

Bins log_bins(double least, double most) {
  least = std::max(least, most * std::pow(10, -kMostDecades));
  const double decades = std::log10(most / least);
  int each = 1;  // bins per decade
  for (const int count : {2, 4, 5, 10, 20}) {
    if (count * decades <= kBins) each = count;
  }
  Bins bins{true, {}};
  const double first = std::floor(std::log10(least) * each + 1e-9);
  for (double k = first; bins.edges.empty() || bins.edges.back() <= most; ++k) {
    bins.edges.push_back(rounded(std::pow(10, k / each)));
  }
  return bins;
}

Bins linear_bins(double least, double most) {
  if (!(most >= least)) return {false, {0, 1}};  // no score is finite
  // With six digits the edges of bins within such a range would be the same.
  constexpr double kNarrow = 5e-4;
  const double size = std::max(std::abs(least), std::abs(most));
  const double raw = (most - least) / kBins;
  if (!(most - least > kNarrow * size && std::isnormal(raw))) {
    const double room = std::max(0.5, kNarrow * size);
    return {false, {rounded(least - room), rounded(most + room)}};
  }
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {5., 2., 1.}) {
    if (factor * power >= raw * (1 - 1e-9)) step = factor * power;
  }
  Bins bins;
  for (double k = std::floor(least / step); bins.edges.empty() || bins.edges.back() <= most; ++k) {
    bins.edges.push_back(rounded(k * step));
  }
  return bins;
}

Bins bins_of(const std::vector<ScoredUnit>& units) {
  double least = INFINITY, least_positive = INFINITY, most = -INFINITY;
  for (const ScoredUnit& unit : units) {
    if (!std::isfinite(unit.score)) continue;
    least = std::min(least, unit.score);
    most = std::max(most, unit.score);
    if (unit.score > 0) least_positive = std::min(least_positive, unit.score);
  }
  constexpr double kWide = 20;  // above this ratio a linear scale would show a single bar
  if (least >= 0 && most > kWide * least_positive) return log_bins(least_positive, most);
  return linear_bins(least, most);
}

Json counts(const std::vector<ScoredUnit>& units) {
  const Bins bins = bins_of(units);
  const size_t size = bins.edges.size() - 1;
  std::vector<int64_t> kept(size, 0), removed(size, 0);
  int64_t kept_below = 0, removed_below = 0;
  for (const ScoredUnit& unit : units) {
    const auto edge = std::ranges::upper_bound(bins.edges, unit.score);
    if (edge == bins.edges.begin()) {
      ++(unit.removed ? removed_below : kept_below);
      continue;
    }
    const size_t bin = std::min(static_cast<size_t>(edge - bins.edges.begin()) - 1, size - 1);
    ++(unit.removed ? removed : kept)[bin];
  }
  return {{"scale", bins.logarithmic ? "log" : "linear"},
          {"edges", bins.edges},
          {"kept", kept},
          {"removed", removed},
          {"below", {{"kept", kept_below}, {"removed", removed_below}}}};
}

Json list_of(const std::vector<ScoredUnit>& units) {
  Json list = Json::array();
  for (const ScoredUnit& unit : units) {
    list.push_back(
        {{"layer", unit.layer}, {"score", rounded(unit.score)}, {"removed", unit.removed}});
  }
  return {{"layers", list}};
}

void add(Json& all, const std::string& criterion, UnitKind kind,
         const std::vector<ScoredUnit>& units) {
  if (units.empty()) return;
  Json json = {{"criterion", criterion}, {"unit", unit_name(kind)}};
  json.update(is_counted(kind) ? counts(units) : list_of(units));
  all.push_back(std::move(json));
}

}  // namespace

Json score_counts(const StepMeasures& measured, const PlanStep& taken) {
  Json all = Json::array();
  if (!measured.model) return all;
  for (const auto& [name, scores] : measured.scores) {
    const UnitKind kind = find_criterion(name).unit;
    add(all, name, kind,
        kind == UnitKind::kChannel ? scored_channels(*measured.model, taken, scores)
                                   : scored_units(*measured.model, kind, taken, scores));
  }
  for (const UnitKind kind : {UnitKind::kKvGroup, UnitKind::kNeuron}) {
    add(all, measured.curve_name, kind, units_of_curves(measured, kind, taken));
  }
  return all;
}

}  // namespace mop
