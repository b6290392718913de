// search/mix.h -- the loop of MoP (arXiv 2602.06127): every step each branch proposes how to remove
// one layer's worth of parameters, a selector takes one proposal, and it becomes the model.
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

/// One branch of a run and its settings.
struct BranchUse {
  const Branch* branch = nullptr;
  Options options;
};

/// What a run is made of: all data, no functions.
struct MixRecipe {
  std::vector<BranchUse> branches;               ///< 1..N, in the order that selectors see
  std::string selector;                          ///< "random", "path:LGGL", ...
  uint64_t seed = 0;                             ///< of the selector; step n draws from stream n
  std::vector<int32_t> protect;                  ///< source layers that no step may remove whole
  std::shared_ptr<const Costs> costs = nullptr;  ///< in which budgets count; null = parameters
};

/// Whether a branch may ask for damage curves.
bool reads_curves(const MixRecipe& recipe);

/// One step of the path and why it was taken.
struct MixStep {
  int64_t number = 0;  ///< from 1
  int64_t budget = 0;  ///< parameters that were to be removed
  PlanStep plan;
  std::vector<std::string> candidates;  ///< branches that could be taken
  std::vector<Validation> figures;  ///< of the candidates, NaN = not validated; empty = none was
};

/// Parameters that the next step should remove from a model of these shapes; nullopt = target met.
using BudgetFunction =
    std::function<std::optional<int64_t>(const ModelConfig& current, int64_t steps_done)>;

/// What the loop asks of the outside. Measuring, validating and recording are somebody else's
/// trade.
struct MixFunctions {
  BudgetFunction budget;
  /// Scores of a model. Called when a candidate is first built, at most once a step.
  std::function<std::unique_ptr<Measure>(const Model& current, int64_t step)> measure;
  /// Figures of models on held-out text; called only by selectors and branches that compare.
  std::function<std::vector<Validation>(const std::vector<Model>& candidates)> validate;
  /// A model whose tower was cut, with what it now makes of the pictures (Model::input_rows).
  /// Null = there are none.
  std::function<Model(const Model& cut)> see = nullptr;
  /// New values for what a step left (see repair/), of candidates before they are judged and of
  /// steps that an earlier run recorded. Null = none.
  std::function<Model(const Model& cut)> repair = nullptr;
  /// Trains what the last of `steps` left, before it is recorded: null = none.
  std::function<Model(const Model& left, const std::vector<PlanStep>& steps)> train = nullptr;
  /// What the steps of an earlier run left, trained; where `train` is given.
  std::function<Model(const std::vector<PlanStep>& done)> restore = nullptr;
  /// Told how far a long proposal is. Null = nobody listens.
  std::function<void(const std::string& line)> note = nullptr;
  /// Called once, when the steps of an earlier run are applied and repaired. Null = nobody asks.
  std::function<void()> replayed = nullptr;
  /// Told of every new step before the next one begins; not of those in `done`.
  std::function<void(const MixStep& step, const Model& model)> record;
};

/// Ends a run whose steps remove nothing: a budget may be saved up for a while, but not for ever.
class Patience {
 public:
  /// Called after every step. Throws Error(kBadInput) when the last 64 left the model as it was.
  void check(const ModelConfig& config);

 private:
  int64_t parameters_ = -1;
  int idle_ = 0;
};

struct MixResult {
  Model model;
  std::vector<PlanStep> steps;  ///< `done` first
};

/// Runs the loop from `dense`. `done` are steps that an earlier run recorded: they are applied, not
/// searched again. The same arguments give the same result, however often it was interrupted.
/// Throws Error(kBadInput) when the target cannot be reached.
MixResult mix(const Model& dense, const MixRecipe& recipe, const std::vector<PlanStep>& done,
              const MixFunctions& functions);

}  // namespace mop
