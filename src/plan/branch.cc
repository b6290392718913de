// plan/branch.cc -- the table of branches.
#include "plan/branch.h"

#include <algorithm>

#include "base/error.h"
#include "base/named_table.h"
#include "model/composite.h"
#include "plan/branches/branches.h"

namespace mop {
namespace {

std::vector<Branch>& table() {
  static std::vector<Branch> rows = {depth_branch(),          amp_width_branch(), damage_branch(),
                                     uniform_damage_branch(), attention_branch(), mlp_branch(),
                                     gates_branch(),          hidden_branch(),    vision_branch()};
  return rows;
}

}  // namespace

const std::vector<LayerCurves>& Measure::curves(const CurveSettings&) {
  throw internal_error("this Measure does not support damage curves");
}

const std::vector<at::Tensor>& Measure::tower_scores(const std::string&) {
  throw internal_error("this Measure does not support scores of a vision tower");
}

std::vector<Validation> Measure::judge(const std::vector<PlanStep>&) {
  throw internal_error("this Measure has no held-out text");
}

IndexList sources_of(const BranchInput& input) {
  return input.sources.empty() ? all_indices(std::ssize(input.config.layers)) : input.sources;
}

Reach reach_of(const Branch& branch, const ModelConfig& dense, const Options& options) {
  return branch.reach ? branch.reach(dense, options) : Reach();
}

std::span<const Branch> all_branches() { return table(); }

const Branch& find_branch(std::string_view name) {
  return find_by_name(all_branches(), name, "branch");
}

const Branch& find_branch(char letter) {
  std::string known;
  for (const Branch& row : table()) {
    if (row.letter == letter) return row;
    known += fmt::format("{}{} = {}", known.empty() ? "" : ", ", row.letter, row.name);
  }
  throw usage_error("no branch has the letter '{}'", letter).hint("known: " + known);
}

void add_branch(Branch branch) {
  for (const Branch& row : table()) {
    if (row.name == branch.name || row.letter == branch.letter) {
      throw usage_error("cannot add the branch '{}' ({}): '{}' ({}) has the same name or letter",
                        branch.name, branch.letter, row.name, row.letter);
    }
  }
  table().push_back(std::move(branch));
}

ModelConfig after_step(const ModelConfig& config, const ShapeStep& step) {
  ModelConfig after = config;
  after.layers = step.layers;
  if (!step.tower.empty()) after.composite = config.composite->with_tower(step.tower);
  if (step.hidden > 0) after.hidden = step.hidden;
  if (after.windowed.empty()) return after;
  for (auto gone = step.removed_layers.rbegin(); gone != step.removed_layers.rend(); ++gone) {
    after.windowed.erase(after.windowed.begin() + *gone);
  }
  return after;
}

std::vector<int32_t> layer_sources(const Model& model) {
  std::vector<int32_t> sources;
  for (const Layer& layer : model.layers()) sources.push_back(layer.source);
  return sources;
}

}  // namespace mop
