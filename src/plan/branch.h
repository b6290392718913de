// plan/branch.h -- a branch is one way to make the current model smaller: a row {letter, name,
// count, propose}. Depth and width are the first two; a new pruner is one more row.
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
#include "structure/currency.h"

namespace mop {

/// Scores of the current model, measured when somebody first asks and shared by all branches of a
/// step.
class Measure {
 public:
  virtual ~Measure() = default;
  /// Scores of every layer by the named criterion, [units] float64 each.
  virtual const std::vector<at::Tensor>& scores(const std::string& criterion) = 0;
  /// The same of the layers of the vision tower that are computed. Throws Error(kInternal) where
  /// this measure has none.
  virtual const std::vector<at::Tensor>& tower_scores(const std::string& criterion);
  /// What removing units of every layer is predicted to cost. Throws Error(kInternal) where this
  /// measure has no curves.
  virtual const std::vector<LayerCurves>& curves(const CurveSettings& settings);
  /// Figures on held-out text of the current model after each of these steps, in order. Throws
  /// Error(kInternal) where there is none.
  virtual std::vector<Validation> judge(const std::vector<PlanStep>& steps);
  /// Tells people how far a long proposal is.
  virtual void note(const std::string& line) {}
};

/// What a branch is given.
struct BranchInput {
  const ModelConfig& config;     ///< of the current model
  int64_t budget = 0;            ///< parameters to remove, or as much of what `costs` counts
  Owed owed = {};                ///< what the branch's own last step carried
  const Options& options;        ///< the branch's section of the recipe, as it declares it
  std::vector<int32_t> protect;  ///< *source* layers that no step may remove whole
  /// Source layer of each current layer; empty = nothing was removed yet. `propose` asks the model
  /// instead.
  std::vector<int32_t> sources = {};
  const Costs* costs = nullptr;  ///< in which the budget counts; null = parameters
  /// Whether rounding to packs must not leave any of a closing budget over: what remains is then
  /// at most what the target says.
  bool in_full = false;
};

/// `sources`, filled in where nothing was removed yet.
IndexList sources_of(const BranchInput& input);

/// The sizes after a step: all that accounting needs, no weights and no data.
struct ShapeStep {
  std::vector<LayerShape> layers;       ///< after the step
  std::vector<int32_t> removed_layers;  ///< current indices of the layers that go whole, rising
  Owed owed;
  std::vector<LayerShape> tower = {};  ///< the tower's layers where it was cut; empty = it was not
  int64_t hidden = 0;                  ///< the hidden size after the step; 0 = as it was
};

struct Branch {
  char letter;          ///< in path strings: L, G
  std::string name;     ///< in plans and reports: "depth", "width"
  std::string summary;  ///< one line for `mop list branches`
  /// How many units go where; `allocation: global` spreads the same number over the layers only
  /// when the scores are known. Throws Error(kBadInput) when the branch can remove nothing more.
  std::function<ShapeStep(const BranchInput&)> count;
  /// Which units go: as many parameters as `count` says, or less by what is then owed. `model` is
  /// the current model.
  std::function<PlanStep(const BranchInput&, const Model& model, Measure& measure)> propose;
  /// Whether it can remove about any number of parameters. If not (whole layers), it does not close
  /// a run that must meet a target exactly: see `overshoot` in plan/target.h.
  bool divisible = true;
  /// The settings with everything spelled out that was left to defaults or to the model: what a
  /// resolved recipe records. Absent = nothing to add.
  std::function<Json(const ModelConfig& dense, const Json& settings)> defaults = nullptr;
  /// Criteria whose scores `propose` may ask for, so that one pass over the samples gathers for
  /// all. Absent = none.
  std::function<std::vector<std::string>(const ModelConfig&, const Options&)> criteria = nullptr;
  /// Whether `propose` judges models on held-out text, with these settings. Absent = never.
  std::function<bool(const Options&)> judges = nullptr;
  /// Whether `propose` asks for damage curves.
  bool reads_curves = false;
  /// Whether layers of one shape come to differ, whatever the settings.
  bool layers_differ = false;
  /// Draws by its option `seed`, which is the run's seed unless it is set.
  bool draws = false;
  /// Whether it takes budgets in any currency (`BranchInput::costs`); `count` then leaves the sizes
  /// as they are, which only the scores tell.
  bool any_currency = false;
  /// Whether its units are the vision tower's: its criteria are then scored there.
  bool of_tower = false;
  std::string source = {};               ///< paper and equation
  std::vector<OptionSpec> options = {};  ///< its section of the recipe, which has its name
  std::vector<int> deviations = {};      ///< from the paper, by number: docs/method.md
};

/// Built-in branches, then those added at run time. Adding one may move the others: add first, then
/// look up.
std::span<const Branch> all_branches();
const Branch& find_branch(std::string_view name);
const Branch& find_branch(char letter);
/// Adds one at run time. Throws Error(kUsage) when the name or the letter is taken.
void add_branch(Branch branch);

/// The config after a step: shapes and what else is listed per layer (config.json as read is left
/// alone).
ModelConfig after_step(const ModelConfig& config, const ShapeStep& step);

/// Source layer of each layer of `model`.
std::vector<int32_t> layer_sources(const Model& model);

}  // namespace mop
