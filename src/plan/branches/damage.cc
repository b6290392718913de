// plan/branches/damage.cc -- removes units by curves of predicted damage, or of trained gates: KV
// groups and neurons of all layers and, optionally, whole halves and layers are ranked in one list;
// the units with the least increase of the loss per parameter, after updating the others, are
// removed (see criteria/damage_curves.h).
#include "allocate/damage.h"

#include <algorithm>
#include <functional>

#include "allocate/allocation.h"
#include "allocate/damage_sizes.h"
#include "allocate/measured_damage.h"
#include "base/error.h"
#include "base/json.h"
#include "plan/branches/branches.h"
#include "plan/branches/curves.h"
#include "plan/branches/width_step.h"

namespace mop {
namespace {

// Neurons between the MLP sizes considered, unless a larger multiple is set.
constexpr int64_t kStride = 16;

const Option<bool> kHalves = {.name = "halves",
                              .default_value = false,
                              .help =
                                  "whether whole attention and MLP halves, and so layers, may be "
                                  "removed; true in the default method if "
                                  "the target counts latency"};
std::vector<std::string> allocations_of_curves() {
  std::vector<std::string> names;
  for (const Allocation& row : all_allocations()) {
    if (row.of_curves != nullptr) names.push_back(row.name);
  }
  return names;
}

const Option<std::string> kAllocation = {
    .name = "allocation",
    .default_value = "convex-hull",
    .range = {.names = allocations_of_curves},
    .help = "allocation by these curves (`mop list allocations`)"};

// Options of trained gates.
const Option<int64_t> kSteps = {.name = "steps",
                                .default_value = GateTraining().steps,
                                .range = at_least(1),
                                .help = "training steps of the gates"};
const Option<double> kLearningRate = {.name = "learning_rate",
                                      .default_value = GateTraining().learning_rate,
                                      .range = above(0),
                                      .help = "learning rate of the gates"};
const Option<int64_t> kBatchTokens = {.name = "batch_tokens",
                                      .default_value = GateTraining().batch_tokens,
                                      .range = at_least(1),
                                      .help = "tokens per step"};
const Option<int64_t> kSeed = {.name = "seed",
                               .unset = "the run's seed",
                               .range = at_least(0),
                               .help = "seed of batches and gate samples"};
constexpr const char* kGatesSource =
    "hard-concrete gates, arXiv 1712.01312; CoFi, arXiv 2204.00408; Sheared LLaMA, arXiv "
    "2310.06694";

// The differences between the rows of this file.
struct Kind {
  std::string name;
  bool uniform = false;  // equal counts in every layer
  bool gates = false;    // curves come from trained gates
};

// The branch's section of the recipe.
struct DamageSettings {
  WidthOptions widths;
  CurveSettings curves;  // `halves`: whole halves, and so layers, may be removed
  AllocateCurves allocate = allocate_by_damage;
};

GateTraining read_gates(const Options& options) {
  GateTraining gates;
  gates.steps = options.get(kSteps);
  gates.learning_rate = options.get(kLearningRate);
  gates.batch_tokens = options.get(kBatchTokens);
  gates.seed = static_cast<uint64_t>(options.get(kSeed, 0));
  return gates;
}

DamageSettings read_settings(const ModelConfig& config, const Options& options, const Kind& kind) {
  DamageSettings settings;
  settings.widths.rule = default_rule(config);
  read_multiples(options, settings.widths);
  if (kind.gates) {
    settings.curves.gates = read_gates(options);
  } else {
    settings.curves = read_curve_settings(options);
    settings.curves.halves = options.get(kHalves) && !kind.uniform;
  }
  settings.allocate = find_allocation(options.get(kAllocation)).of_curves;
  return settings;
}

// What one half layer may lose, in KV groups or neurons, without damages. If it may be removed
// completely, costs other than its units (norm, biases, overhead) are gained with the last unit.
HalfLayerCurve half_layer(const ModelConfig& config, const Costs& costs, size_t layer,
                          UnitKind unit, const DamageSettings& settings, bool may_go_whole) {
  const LayerShape& shape = config.layers[layer];
  const bool neurons = unit == UnitKind::kNeuron;
  const HalfCost cost =
      costs.of_half(config, shape, neurons ? UnitKind::kMlp : UnitKind::kAttention);
  const int64_t pack =
      neurons ? settings.widths.shape_multiple : group_stride(shape, settings.widths.head_multiple);
  const int64_t least = neurons ? pack : settings.widths.min_kv_groups;
  HalfLayerCurve half{.layer = static_cast<int64_t>(layer),
                      .kind = unit,
                      .units = num_units(unit, shape),
                      .gain = cost.unit,
                      .pack = pack,
                      .stride = neurons ? std::max(pack, kStride) : pack,
                      .keep = std::min(num_units(unit, shape), least)};
  if (!may_go_whole || half.units == 0) return half;
  half.keep = 0;
  half.gain_of_rest = cost.rest;
  return half;
}

// All half layers: each layer's KV groups, then its neurons.
std::vector<HalfLayerCurve> half_layers(const BranchInput& input, const DamageSettings& settings,
                                        const Kind& kind) {
  const Costs costs = input.costs == nullptr ? Costs() : *input.costs;
  const IndexList sources = sources_of(input);
  std::vector<HalfLayerCurve> halves;
  for (size_t i = 0; i < input.config.layers.size(); ++i) {
    const bool is_protected = std::ranges::find(input.protect, sources[i]) != input.protect.end();
    for (const UnitKind unit : {UnitKind::kKvGroup, UnitKind::kNeuron}) {
      if (num_units(unit, input.config.layers[i]) == 0) continue;
      halves.push_back(half_layer(input.config, costs, i, unit, settings,
                                  settings.curves.halves && !is_protected));
    }
  }
  return halves;
}

DamageTarget damage_target(const BranchInput& input, const Kind& kind) {
  return {
      .gain = static_cast<double>(input.budget),
      .currency = std::string(input.costs == nullptr ? "parameters" : input.costs->currency().unit),
      .uniform = kind.uniform,
      .in_full = input.in_full};
}

// Throws where the units cannot have the budget, which is in another currency than parameters.
void check_removable(const BranchInput& input, const DamageSettings& settings, const Kind& kind) {
  const DamageTarget target = damage_target(input, kind);
  double most = 0;
  for (const HalfLayerCurve& half : half_layers(input, settings, kind)) {
    most += removable_gain(half);
  }
  if (most < target.gain * (1 - kGainRounding)) throw beyond_all_units(target, most);
}

// Stands for damages that are not known yet: as the damage per parameter grows with the fraction
// removed, all halves lose about the same fraction.
std::vector<HalfLayerCurve> evenly_damaged(std::vector<HalfLayerCurve> halves) {
  for (HalfLayerCurve& half : halves) {
    for (int64_t gone = 1; gone <= half.units; ++gone) {
      const auto count = static_cast<double>(gone);
      half.damage.push_back(half.gain * count * count / static_cast<double>(half.units));
    }
  }
  return halves;
}

// Counts only: about as many parameters are removed, however the curves distribute them.
ShapeStep count(const BranchInput& input, const Kind& kind) {
  const DamageSettings settings = read_settings(input.config, input.options, kind);
  const std::vector<LayerShape>& layers = input.config.layers;
  if (kind.uniform && std::ranges::adjacent_find(layers, std::not_equal_to<>()) != layers.end()) {
    throw bad_input("equal counts in every layer need equal layers, but the layers differ");
  }
  if (input.costs != nullptr) {
    check_removable(input, settings, kind);
    return {layers, {}, {}};
  }
  const std::vector<HalfLayerCurve> halves = evenly_damaged(half_layers(input, settings, kind));
  const DamageAllocation found = allocate_by_damage(halves, damage_target(input, kind));
  return shapes_after(input.config, width_counts(input.config, halves, found.counts));
}

// The same with their damages.
std::vector<HalfLayerCurve> half_layer_curves(const BranchInput& input,
                                              const std::vector<LayerCurves>& curves,
                                              const DamageSettings& settings, const Kind& kind) {
  std::vector<HalfLayerCurve> halves = half_layers(input, settings, kind);
  for (HalfLayerCurve& half : halves) {
    const LayerCurves& of_layer = curves[static_cast<size_t>(half.layer)];
    const bool neurons = half.kind == UnitKind::kNeuron;
    half.damage = (neurons ? of_layer.neurons : of_layer.kv_groups).damage;
    if (half.keep > 0) continue;
    half.damage_of_all = damage_of_half(of_layer, neurons ? UnitKind::kMlp : UnitKind::kAttention);
  }
  return halves;
}

IndexList first_of(const DamageCurve& curve, int64_t count) {
  IndexList positions(curve.order.begin(), curve.order.begin() + count);
  std::sort(positions.begin(), positions.end());
  return positions;
}

// Sets the cost of each gate and the cost to remove.
void set_prices(const BranchInput& input, GateTraining& gates) {
  const Costs costs = input.costs == nullptr ? Costs() : *input.costs;
  gates.budget = static_cast<double>(input.budget);
  for (const LayerShape& shape : input.config.layers) {
    gates.group_prices.push_back(costs.of_half(input.config, shape, UnitKind::kAttention).unit);
    gates.neuron_prices.push_back(costs.of_half(input.config, shape, UnitKind::kMlp).unit);
  }
}

PlanStep propose(const BranchInput& input, const Model& model, Measure& measure, const Kind& kind) {
  DamageSettings settings = read_settings(input.config, input.options, kind);
  if (settings.curves.gates) set_prices(input, *settings.curves.gates);
  const std::vector<LayerCurves>& curves = measure.curves(settings.curves);
  const std::vector<HalfLayerCurve> halves = half_layer_curves(input, curves, settings, kind);
  const DamageAllocation allocation = settings.allocate(halves, damage_target(input, kind));
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
  return width_step(kind.name, model, units);
}

Json with_defaults(const ModelConfig& dense, const Json& given, const Kind& kind) {
  const DamageSettings settings = read_settings(dense, Options(kind.name, given), kind);
  Json all = {{"min_kv_groups", settings.widths.min_kv_groups},
              {"shape_multiple", settings.widths.shape_multiple},
              {"head_multiple", settings.widths.head_multiple}};
  if (const auto& gates = settings.curves.gates) {
    all["steps"] = gates->steps;
    all["learning_rate"] = gates->learning_rate;
    all["batch_tokens"] = gates->batch_tokens;
  } else {
    all["damping"] = settings.curves.damping;
    all["gradients"] = settings.curves.gradients;
    all["halves"] = settings.curves.halves;
  }
  for (const auto& [key, value] : given.items()) all[key] = value;
  return all;
}

Reach reach(const ModelConfig& dense, const Options& options, const Kind& kind) {
  const DamageSettings settings = read_settings(dense, options, kind);
  Reach reach = reach_of_units(settings.widths);
  reach.whole_parts = settings.curves.halves;
  reach.layers_differ = !kind.uniform;
  return reach;
}

std::vector<OptionSpec> options(const Kind& kind) {
  std::vector<OptionSpec> all = multiple_options();
  all.push_back(kAllocation);
  if (kind.gates) {
    all.insert(all.end(), {kSteps, kLearningRate, kBatchTokens, kSeed});
    return all;
  }
  for (OptionSpec& spec : curve_options()) all.push_back(std::move(spec));
  all.push_back(kHalves);
  return all;
}

Branch branch(char letter, const std::string& summary, const Kind& kind) {
  return {.letter = letter,
          .name = kind.name,
          .summary = summary,
          .count = [=](const BranchInput& input) { return count(input, kind); },
          .propose = [=](const BranchInput& input, const Model& model,
                         Measure& measure) { return propose(input, model, measure, kind); },
          .divisible = true,
          .defaults = [=](const ModelConfig& dense,
                          const Json& given) { return with_defaults(dense, given, kind); },
          .reach = [=](const ModelConfig& dense,
                       const Options& options) { return reach(dense, options, kind); },
          .reads_curves = true,
          .draws = kind.gates,
          .any_currency = true,
          .source = kind.gates ? kGatesSource : kCurveSource,
          .options = options(kind),
          .deviations = {kind.gates ? 29 : 12}};
}

}  // namespace

Branch damage_branch() {
  return branch('D', "KV groups and neurons of least predicted damage, in any layer",
                {.name = "damage"});
}

Branch uniform_damage_branch() {
  return branch('U', "the same with equal counts in every layer",
                {.name = "damage-uniform", .uniform = true});
}

Branch gates_branch() {
  return branch('H',
                "KV groups and neurons whose hard-concrete gates close, trained towards the target",
                {.name = "gates", .gates = true});
}

}  // namespace mop
