// plan/branches/half_layers.cc -- depth in half layers: removes whole attention halves, or whole
// MLP halves, of least predicted damage per parameter, with norm and biases. Removal of single
// halves, and that attention is easier to remove: arXiv 2406.15786, 2406.10594, which use other
// importance measures.
#include <algorithm>

#include "base/error.h"
#include "plan/branches/branches.h"
#include "plan/branches/curves.h"
#include "plan/branches/width_step.h"

namespace mop {
namespace {

// A half that may be removed.
struct HalfLayer {
  size_t layer;
  double parameters;
  double damage = 0;
};

struct HalvesLeft {
  std::vector<HalfLayer> may_go;
  int64_t all = 0;  // including protected ones
};

HalvesLeft halves_left(const BranchInput& input, UnitKind kind,
                       const std::vector<int32_t>& sources) {
  HalvesLeft left;
  for (size_t i = 0; i < input.config.layers.size(); ++i) {
    const LayerShape& shape = input.config.layers[i];
    if (num_units(kind, shape) == 0) continue;
    ++left.all;
    if (std::ranges::find(input.protect, sources[i]) != input.protect.end()) continue;
    left.may_go.push_back({i, static_cast<double>(unit_parameters(kind, input.config, shape))});
  }
  if (!left.may_go.empty() && left.all > 1) return left;
  throw bad_input(
      "no {} half can be removed: of {} in the model at least one and those of protected layers "
      "are kept",
      unit_name(kind), left.all)
      .hint("lower the target or allow width steps");
}

// The halves removed by one step.
struct Taken {
  std::vector<size_t> layers;
  Owed owed;
};

// Takes halves in order: as many as come nearest to the budget plus what is owed or, in a closing
// step, as many as reach it. At least one half of the kind is kept.
Taken take(const BranchInput& input, const HalvesLeft& left) {
  const bool closing = input.closing;
  double want = static_cast<double>(input.budget) + (closing ? 0 : input.owed.parameters);
  Taken taken;
  for (const HalfLayer& half : left.may_go) {
    if (std::ssize(taken.layers) + 1 == left.all) break;
    if (want <= (closing ? 0 : half.parameters / 2)) break;
    taken.layers.push_back(half.layer);
    want -= half.parameters;
  }
  taken.owed.parameters = want;
  return taken;
}

// Counts only: which halves are removed is not known yet, and does not matter for equal layers.
ShapeStep count(const BranchInput& input, UnitKind kind) {
  read_curve_settings(input.options);
  const Taken taken = take(input, halves_left(input, kind, sources_of(input)));
  const size_t layers = input.config.layers.size();
  WidthCounts counts{std::vector<int64_t>(layers, 0), std::vector<int64_t>(layers, 0), taken.owed};
  for (const size_t i : taken.layers) {
    const LayerShape& shape = input.config.layers[i];
    (kind == UnitKind::kMlp ? counts.neurons[i] : counts.kv_groups[i]) =
        kind == UnitKind::kMlp ? shape.mlp : shape.kv_heads;
  }
  return shapes_after(input.config, counts);
}

PlanStep propose(const BranchInput& input, const Model& model, Measure& measure,
                 const std::string& name, UnitKind kind) {
  CurveSettings settings = read_curve_settings(input.options);
  settings.halves = true;
  const std::vector<LayerCurves>& curves = measure.curves(settings);
  HalvesLeft left = halves_left(input, kind, layer_sources(model));
  for (HalfLayer& half : left.may_go) half.damage = damage_of_half(curves[half.layer], kind);
  std::ranges::stable_sort(left.may_go, {},
                           [](const HalfLayer& half) { return half.damage / half.parameters; });
  const Taken taken = take(input, left);
  std::vector<WidthUnits> units(model.layers().size());
  for (const size_t i : taken.layers) {
    const LayerShape& shape = model.config().layers[i];
    if (kind == UnitKind::kMlp) {
      units[i].neurons = all_indices(shape.mlp);
    } else {
      units[i].kv_groups = all_indices(shape.kv_heads);
    }
  }
  PlanStep step = width_step(name, model, units);
  step.owed = taken.owed;
  return step;
}

Json with_defaults(const ModelConfig&, const Json& given) {
  const CurveSettings settings = read_curve_settings(Options("halves", given));
  Json all = {{"damping", settings.damping}, {"gradients", settings.gradients}};
  for (const auto& [key, value] : given.items()) all[key] = value;
  return all;
}

Branch branch(char letter, const std::string& name, const std::string& summary, UnitKind kind) {
  return {.letter = letter,
          .name = name,
          .summary = summary,
          .count = [=](const BranchInput& input) { return count(input, kind); },
          .propose = [=](const BranchInput& input, const Model& model,
                         Measure& measure) { return propose(input, model, measure, name, kind); },
          .divisible = false,
          .defaults = with_defaults,
          .reach =
              [](const ModelConfig&, const Options&) {
                Reach reach;
                reach.layers_differ = true;
                return reach;
              },
          .reads_curves = true,
          .source = "halves: arXiv 2406.15786 and 2406.10594; damage: docs/method.md",
          .options = curve_options(),
          .deviations = {31}};
}

}  // namespace

Branch attention_branch() {
  return branch('A', "attention", "whole attention halves of least predicted damage",
                UnitKind::kAttention);
}

Branch mlp_branch() {
  return branch('M', "mlp", "whole MLP halves of least predicted damage", UnitKind::kMlp);
}

}  // namespace mop
