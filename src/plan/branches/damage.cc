// plan/branches/damage.cc -- by predicted damage: KV groups and neurons of all layers, and where
// asked for whole halves and layers, are one list, and those are removed whose removal raises the
// loss least for each parameter when the others are repaired (see criteria/damage_curves.h).
#include "allocate/damage.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/json.h"
#include "plan/branches/branches.h"
#include "plan/branches/curves.h"
#include "plan/branches/width_step.h"

namespace mop {
namespace {

// Neurons between two sizes of an MLP that are compared, when no multiple asks for more.
constexpr int64_t kStride = 16;

const Option<bool> kHalves = {
    .name = "halves",
    .default_value = false,
    .help =
        "attention and MLP halves, and so layers, may go whole; true by the default method where "
        "the target counts latency"};

// The branch's section of the recipe.
struct DamageSettings {
  WidthOptions widths;
  CurveSettings curves;  // `halves`: whole halves, and so layers, may go
};

DamageSettings read_settings(const ModelConfig& config, const Options& options) {
  DamageSettings settings;
  settings.widths.rule = default_rule(config);
  read_multiples(options, settings.widths);
  settings.curves = read_curve_settings(options);
  settings.curves.halves = options.get(kHalves);
  return settings;
}

// Sizes alone: about as many parameters go, however the curves spread them.
ShapeStep count(const BranchInput& input, bool uniform) {
  const DamageSettings settings = read_settings(input.config, input.options);
  const std::vector<LayerShape>& layers = input.config.layers;
  if (uniform && std::ranges::adjacent_find(layers, std::not_equal_to<>()) != layers.end()) {
    throw bad_input("equally many units of every layer want equal layers, and these differ");
  }
  if (input.costs != nullptr) return {layers, {}, {}};  // a budget of another unit
  return shapes_after(input.config,
                      allocate_width(input.config, input.budget, {}, settings.widths));
}

// The curve of one half layer, whose units are KV groups or neurons. Where it may go whole, what it
// costs beside its units (norm, biases, overhead) goes with the last one.
HalfLayerCurve half_layer_curve(const ModelConfig& config, const Costs& costs, size_t layer,
                                UnitKind unit, const LayerCurves& curves,
                                const DamageSettings& settings, bool may_go_whole) {
  const LayerShape& shape = config.layers[layer];
  const bool neurons = unit == UnitKind::kNeuron;
  const UnitKind whole = neurons ? UnitKind::kMlp : UnitKind::kAttention;
  const HalfCost cost = costs.of_half(config, shape, whole);
  const int64_t pack =
      neurons ? settings.widths.shape_multiple : group_stride(shape, settings.widths.head_multiple);
  const int64_t least = neurons ? pack : settings.widths.min_kv_groups;
  HalfLayerCurve half{.layer = static_cast<int64_t>(layer),
                      .kind = unit,
                      .units = num_units(unit, shape),
                      .damage = (neurons ? curves.neurons : curves.kv_groups).damage,
                      .gain = cost.unit,
                      .pack = pack,
                      .stride = neurons ? std::max(pack, kStride) : pack,
                      .keep = std::min(num_units(unit, shape), least)};
  if (!may_go_whole || half.units == 0) return half;
  half.keep = 0;
  half.gain_of_rest = cost.rest;
  half.damage_of_all = damage_of_half(curves, whole);
  return half;
}

// Curves of all half layers, each layer's KV groups before its neurons.
std::vector<HalfLayerCurve> half_layer_curves(const BranchInput& input, const Model& model,
                                              const std::vector<LayerCurves>& curves,
                                              const DamageSettings& settings, bool uniform) {
  const Costs costs = input.costs == nullptr ? Costs() : *input.costs;
  std::vector<HalfLayerCurve> halves;
  for (size_t i = 0; i < input.config.layers.size(); ++i) {
    const bool is_protected =
        std::ranges::find(input.protect, model.layers()[i].source) != input.protect.end();
    for (const UnitKind unit : {UnitKind::kKvGroup, UnitKind::kNeuron}) {
      if (num_units(unit, input.config.layers[i]) == 0) continue;
      halves.push_back(half_layer_curve(input.config, costs, i, unit, curves[i], settings,
                                        settings.curves.halves && !uniform && !is_protected));
    }
  }
  return halves;
}

IndexList first_of(const DamageCurve& curve, int64_t count) {
  IndexList positions(curve.order.begin(), curve.order.begin() + count);
  std::sort(positions.begin(), positions.end());
  return positions;
}

PlanStep propose(const BranchInput& input, const Model& model, Measure& measure,
                 const std::string& name, bool uniform) {
  const DamageSettings settings = read_settings(input.config, input.options);
  const std::vector<LayerCurves>& curves = measure.curves(settings.curves);
  const std::vector<HalfLayerCurve> halves =
      half_layer_curves(input, model, curves, settings, uniform);
  const DamageAllocation allocation = allocate_by_damage(
      halves, {.gain = static_cast<double>(input.budget),
               .currency = std::string(input.costs == nullptr ? "parameters"
                                                              : input.costs->currency().unit),
               .uniform = uniform});
  std::vector<WidthUnits> units(curves.size());
  for (size_t i = 0; i < halves.size(); ++i) {
    const auto layer = static_cast<size_t>(halves[i].layer);
    const int64_t gone = allocation.counts[i];
    if (halves[i].kind == UnitKind::kNeuron) {
      units[layer].neurons = first_of(curves[layer].neurons, gone);
    } else {
      units[layer].kv_groups = first_of(curves[layer].kv_groups, gone);
    }
  }
  return width_step(name, model, units);
}

Json with_defaults(const ModelConfig& dense, const Json& given) {
  const DamageSettings settings = read_settings(dense, Options("damage", given));
  Json all = {{"min_kv_groups", settings.widths.min_kv_groups},
              {"shape_multiple", settings.widths.shape_multiple},
              {"head_multiple", settings.widths.head_multiple},
              {"damping", settings.curves.damping},
              {"gradients", settings.curves.gradients},
              {"halves", settings.curves.halves}};
  for (const auto& [key, value] : given.items()) all[key] = value;
  return all;
}

std::vector<OptionSpec> options() {
  std::vector<OptionSpec> all = multiple_options();
  for (OptionSpec& spec : curve_options()) all.push_back(std::move(spec));
  all.push_back(kHalves);
  return all;
}

Branch branch(char letter, const std::string& name, const std::string& summary, bool uniform) {
  return {
      .letter = letter,
      .name = name,
      .summary = summary,
      .count = [=](const BranchInput& input) { return count(input, uniform); },
      .propose = [=](const BranchInput& input, const Model& model,
                     Measure& measure) { return propose(input, model, measure, name, uniform); },
      .divisible = true,
      .defaults = with_defaults,
      .reads_curves = true,
      .layers_differ = !uniform,
      .any_currency = true,
      .source = kCurveSource,
      .options = options(),
      .deviations = {12}};
}

}  // namespace

Branch damage_branch() {
  return branch('D', "damage", "KV groups and neurons of the least predicted damage, of any layer",
                false);
}

Branch uniform_damage_branch() {
  return branch('U', "damage-uniform", "the same, equally many of every layer", true);
}

}  // namespace mop
