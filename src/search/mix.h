// search/mix.h -- the loop of MoP (arXiv 2602.06127). In each step, every branch proposes how to
// remove one layer's worth of parameters; a selector chooses one proposal, and it is applied.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "model/model.h"
#include "plan/branch.h"
#include "plan/plan.h"
#include "search/selector.h"

namespace mop {

/// A branch of a run and its settings.
struct BranchUse {
  const Branch* branch = nullptr;
  Options options;
};

/// The settings of a run: data only, no functions.
struct MixRecipe {
  std::vector<BranchUse> branches;  ///< 1..N, in the order that selectors see
  std::string selector;             ///< "random", "path:LGGL", ...
  uint64_t seed = 0;                ///< of the selector; step n uses stream n
  std::vector<int32_t> protect;     ///< source layers that no step may remove whole
  /// Cost of each unit, in which budgets are measured; null = parameters.
  std::shared_ptr<const Costs> costs = nullptr;
  bool in_full = false;  ///< see BranchInput
};

/// Returns whether a branch may request damage curves.
bool reads_curves(const MixRecipe& recipe);

/// One step of the path and how it was selected.
struct MixStep {
  int64_t number = 0;  ///< from 1
  int64_t budget = 0;  ///< parameters to remove
  PlanStep plan;
  std::vector<std::string> candidates;  ///< branches that could be selected
  std::vector<Validation> figures;  ///< of the candidates, NaN = not validated; empty = none was
};

/// Returns the parameters that the next step should remove from a model of these shapes; nullopt =
/// target met.
using BudgetFunction =
    std::function<std::optional<StepBudget>(const ModelConfig& current, int64_t steps_done)>;

/// Functions that the loop calls to measure, validate, train and record.
struct MixFunctions {
  BudgetFunction budget;
  /// Returns the scores of a model. Called when a step first needs them, at most once per step.
  std::function<std::unique_ptr<Measure>(const Model& current, int64_t step)> measure;
  /// Evaluates models on held-out text; called only by selectors and branches that compare
  /// candidates.
  std::function<std::vector<Validation>(const std::vector<Model>& candidates)> validate;
  /// Encodes the pictures with a pruned vision tower (Model::input_rows). Null = there are none.
  std::function<Model(const Model& cut)> see = nullptr;
  /// Computes new values for the weights that remain after a step (see repair/): of candidates
  /// before they are validated, and of steps that an earlier run recorded. Null = no repair.
  std::function<Model(const Model& cut)> repair = nullptr;
  /// Trains the model after the last of `steps`, before it is recorded. Null = no training.
  std::function<Model(const Model& left, const std::vector<PlanStep>& steps)> train = nullptr;
  /// Returns the trained model after the steps of an earlier run. Required with `train`.
  std::function<Model(const std::vector<PlanStep>& done)> restore = nullptr;
  /// Reports the progress of a long proposal. Null = no reports.
  std::function<void(const std::string& line)> note = nullptr;
  /// Called once after the steps of an earlier run are applied and repaired. Null = not called.
  std::function<void()> replayed = nullptr;
  /// Called after each new step, before the next begins; not for the steps in `done`.
  std::function<void(const MixStep& step, const Model& model)> record;
};

/// Stops a run whose steps remove nothing. Some such steps are normal, because a budget can
/// accumulate over several steps.
class StallCheck {
 public:
  /// Call after every step. Throws Error(kBadInput) when the last 64 steps removed nothing.
  void check(const ModelConfig& config);

 private:
  int64_t parameters_ = -1;
  int idle_ = 0;
};

struct MixResult {
  Model model;
  std::vector<PlanStep> steps;  ///< starts with `done`
};

/// Runs the loop from `dense`. `done` are steps that an earlier run recorded: they are applied, not
/// searched again. The result does not depend on how often the run was interrupted. Throws
/// Error(kBadInput) when the target cannot be reached.
MixResult mix(const Model& dense, const MixRecipe& recipe, const std::vector<PlanStep>& done,
              const MixFunctions& functions);

}  // namespace mop
