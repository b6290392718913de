// plan/branches/vision.cc -- width of the vision tower: applies the branch `width` to the tower's
// layers. Removes heads and neurons by a criterion, distributed by an allocation: MoPE-CLIP (arXiv
// 2403.07839), ECoFLaP (arXiv 2310.02998).
#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "model/composite.h"
#include "model/family.h"
#include "plan/branches/branches.h"
#include "plan/branches/width_step.h"

namespace mop {
namespace {

constexpr const char* kName = "vision";

const Branch& width() {
  static const Branch branch = amp_width_branch();
  return branch;
}

// The step with the language model unchanged.
ShapeStep step_of_tower(const BranchInput& input, ShapeStep tower) {
  return {input.config.layers, {}, tower.owed, std::move(tower.layers)};
}

// The worth of a layer of the language model is none of the tower's: such a budget is met in full.
BranchInput input_of_tower(const BranchInput& input) {
  const ModelConfig& tower = tower_config(input.config);
  return {.config = tower,
          .budget = input.budget,
          .owed = input.owed,
          .options = input.options,
          .in_full = input.in_full,
          .closing = input.closing || input.budget != layer_worth(tower),
          .remaining = input.remaining};
}

// A step's budget may be a layer of the language model and exceed what the tower can lose, since
// every layer keeps a unit of each kind. A difference of a pack is due to rounding.
void check_budget(const BranchInput& input, const ShapeStep& tower) {
  const ModelConfig& before = tower_config(input.config);
  const int64_t removed = block_parameters(before) - block_parameters(after_step(before, tower));
  WidthOptions widths;
  read_multiples(input.options, widths);
  if (removed + 2 * half_pack(before, widths.shape_multiple) >= input.budget) return;
  throw bad_input("the step removes {} parameters, but the vision tower can lose only {}",
                  input.budget, removed)
      .hint("lower the target, or make steps smaller (--rounds)");
}

ShapeStep count(const BranchInput& input) {
  ShapeStep tower = width().count(input_of_tower(input));
  check_budget(input, tower);
  return step_of_tower(input, std::move(tower));
}

// Converts a step of the tower to one of the complete model.
PlanStep whole_step(const Model& model, PlanStep tower) {
  std::vector<LayerShape> shapes = model.tower()->config().layers;
  for (const LayerRemoval& removal : tower.removals) {
    LayerShape& shape = shapes[static_cast<size_t>(removal.layer)];
    shape.heads -= std::ssize(removal.heads);
    shape.kv_heads = shape.heads;
    shape.mlp -= std::ssize(removal.neurons);
  }
  const ShapeStep after = {model.config().layers, {}, tower.owed, std::move(shapes)};
  const int64_t parameters = total_parameters(after_step(model.config(), after));
  return {kName, {}, tower.owed, parameters, std::move(tower.removals)};
}

// Measures the tower for the branch `width`.
class TowerMeasure final : public Measure {
 public:
  TowerMeasure(const Model& model, Measure& whole) : model_(model), whole_(whole) {}
  const std::vector<at::Tensor>& scores(const std::string& criterion) override {
    return whole_.tower_scores(criterion);
  }
  std::vector<Validation> judge(const std::vector<PlanStep>& steps) override {
    std::vector<PlanStep> of_model;
    for (const PlanStep& step : steps) of_model.push_back(whole_step(model_, step));
    return whole_.judge(of_model);
  }
  void note(const std::string& line) override { whole_.note(line); }

 private:
  const Model& model_;
  Measure& whole_;
};

PlanStep propose(const BranchInput& input, const Model& model, Measure& measure) {
  TowerMeasure of_tower(model, measure);
  return whole_step(model, width().propose(input_of_tower(input), *model.tower(), of_tower));
}

// The multiple that kernels prefer, if a pack is a small part of an MLP.
int64_t default_multiple(const ModelConfig& tower) {
  int64_t narrowest = tower.layers[0].mlp;
  for (const LayerShape& shape : tower.layers) narrowest = std::min(narrowest, shape.mlp);
  int64_t multiple = 32;
  while (multiple > 1 && multiple > narrowest / 64) multiple /= 2;
  return multiple;
}

Json with_defaults(const ModelConfig& dense, const Json& given) {
  Json settings = given.is_null() ? Json::object() : given;
  const ModelConfig& tower = tower_config(dense);
  settings.emplace(kShapeMultiple.name, default_multiple(tower));
  settings.emplace(kHeadMultiple.name, 1);
  return width().defaults(tower, settings);
}

std::vector<OptionSpec> options() {
  std::vector<OptionSpec> all = width().options;
  for (OptionSpec& spec : all) {
    if (spec.name == kShapeMultiple.name) spec.unset = "32, or less if MLPs are narrower than 2048";
    if (spec.name == kHeadMultiple.name) spec.unset = "1";
  }
  return all;
}

Reach reach(const ModelConfig& dense, const Options& options) {
  Reach reach = width().reach(tower_config(dense), options);
  reach.kept = std::nullopt;
  return reach;
}

}  // namespace

Branch vision_branch() {
  return {.letter = 'V',
          .name = kName,
          .summary = "lowest-scoring heads and neurons of the vision tower, by a criterion (LLaVA)",
          .count = count,
          .propose = propose,
          .defaults = with_defaults,
          .criteria =
              [](const ModelConfig& config, const Options& options) {
                return width().criteria(tower_config(config), options);
              },
          .judges = width().judges,
          .reach = reach,
          .of_tower = true,
          .source = "MoPE-CLIP, arXiv 2403.07839; ECoFLaP, arXiv 2310.02998",
          .options = options(),
          .deviations = {33, 34, 35}};
}

}  // namespace mop
