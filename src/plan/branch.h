// plan/branch.h -- a branch is one way to reduce the current model: a row of a table with functions
// `count` and `propose`. A new pruning method is a new row.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocate/width.h"
#include "base/options.h"
#include "criteria/criterion.h"
#include "criteria/damage_curves.h"
#include "model/validation.h"
#include "plan/plan.h"
#include "plan/reach.h"
#include "structure/currency.h"

namespace mop {

/// Scores of the current model, computed on first use and shared by all branches of a step.
class Measure {
 public:
  virtual ~Measure() = default;
  /// Returns the scores of every layer by a criterion, [units] float64 each.
  virtual const std::vector<at::Tensor>& scores(const std::string& criterion) = 0;
  /// The same for the computed layers of the vision tower. Throws Error(kInternal) if not
  /// supported.
  virtual const std::vector<at::Tensor>& tower_scores(const std::string& criterion);
  /// Returns the damage curves of every layer. Throws Error(kInternal) if not supported.
  virtual const std::vector<LayerCurves>& curves(const CurveSettings& settings);
  /// Returns the metrics on held-out text of the current model after each of these steps. Throws
  /// Error(kInternal) if there is no text.
  virtual std::vector<Validation> judge(const std::vector<PlanStep>& steps);
  /// Reports the progress of a long proposal to the user.
  virtual void note(const std::string& line) {}
};

/// What one step should remove, in parameters or units of the target's currency.
struct StepBudget {
  int64_t amount = 0;
  /// The step must reach its budget, which includes what earlier steps owe.
  bool closing = false;
  int64_t remaining = INT64_MAX;  ///< to the target; the largest number = no limit
};

/// Input of a branch.
struct BranchInput {
  const ModelConfig& config;          ///< of the current model
  int64_t budget = 0;                 ///< parameters to remove, or units of the currency of `costs`
  Owed owed = {};                     ///< carried from the branch's previous step
  const Options& options;             ///< the branch's section of the recipe
  std::vector<int32_t> protect = {};  ///< source layers that must not be removed
  /// Source layer of each current layer; empty = no layer was removed yet. Used by `count`;
  /// `propose` reads the model instead.
  std::vector<int32_t> sources = {};
  const Costs* costs = nullptr;  ///< currency of the budget; null = parameters
  /// Round a closing budget up to packs instead of to the nearest, so that the result does not
  /// exceed the target's size.
  bool in_full = false;
  bool closing = false;           ///< see StepBudget
  int64_t remaining = INT64_MAX;  ///< see StepBudget
};

/// Returns `sources`, or all layers if it is empty.
IndexList sources_of(const BranchInput& input);

/// The sizes after a step, computed without weights or data.
struct ShapeStep {
  std::vector<LayerShape> layers;       ///< after the step
  std::vector<int32_t> removed_layers;  ///< current indices of removed layers, increasing
  Owed owed;
  std::vector<LayerShape> tower = {};  ///< the tower's layers if it was pruned, else empty
  int64_t hidden = 0;                  ///< the hidden size after the step; 0 = unchanged
};

struct Branch {
  char letter;          ///< in paths: L, G
  std::string name;     ///< in plans and reports: "depth", "width"
  std::string summary;  ///< one line for `mop list branches`
  /// Returns the number of units removed per layer. Other allocations than `uniform` distribute the
  /// same total once the scores are known. Throws Error(kBadInput) if the branch cannot remove
  /// anything.
  std::function<ShapeStep(const BranchInput&)> count;
  /// Selects the units to remove: as many parameters as `count` returns, or fewer, the difference
  /// being owed. `model` is the current model.
  std::function<PlanStep(const BranchInput&, const Model& model, Measure& measure)> propose;
  /// Whether it can remove about any number of parameters. If not (whole layers), it does not take
  /// a step in which it would remove more than remains to the target: see `overshoot` in
  /// plan/target.h.
  bool divisible = true;
  /// Returns the settings with all defaults filled in, as recorded in a resolved recipe. Null =
  /// nothing to add.
  std::function<Json(const ModelConfig& dense, const Json& settings)> defaults = nullptr;
  /// Criteria whose scores `propose` may request, so that one pass over the samples gathers their
  /// statistics. Null = none.
  std::function<std::vector<std::string>(const ModelConfig&, const Options&)> criteria = nullptr;
  /// Whether `propose` evaluates models on held-out text with these settings. Null = never.
  std::function<bool(const Options&)> judges = nullptr;
  /// Returns what these settings let it remove. Null = whole layers, which stay equal.
  std::function<Reach(const ModelConfig& dense, const Options&)> reach = nullptr;
  /// Whether `propose` requests damage curves.
  bool reads_curves = false;
  /// Uses random numbers, seeded by its option `seed`, which defaults to the run's seed.
  bool draws = false;
  /// Whether it supports budgets in any currency (`BranchInput::costs`); `count` then leaves the
  /// sizes unchanged, since they depend on the scores.
  bool any_currency = false;
  /// Whether its units belong to the vision tower, where its criteria are then scored.
  bool of_tower = false;
  std::string source = {};               ///< paper and equation
  std::vector<OptionSpec> options = {};  ///< in the recipe section with its name
  std::vector<int> deviations = {};      ///< from the paper, by number: docs/method.md
};

/// Returns `branch.reach`, or what it stands for when it is null.
Reach reach_of(const Branch& branch, const ModelConfig& dense, const Options& options);

/// Built-in branches, then those added at run time. Adding a branch may invalidate earlier pointers
/// and spans.
std::span<const Branch> all_branches();
const Branch& find_branch(std::string_view name);
const Branch& find_branch(char letter);
/// Adds a branch at run time. Throws Error(kUsage) if the name or the letter is taken.
void add_branch(Branch branch);

/// Returns the config after a step: shapes and per-layer settings are updated, `raw` is not.
ModelConfig after_step(const ModelConfig& config, const ShapeStep& step);

/// Returns the source layer of each layer of `model`.
std::vector<int32_t> layer_sources(const Model& model);

}  // namespace mop
