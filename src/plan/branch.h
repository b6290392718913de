// plan/branch.h -- a branch is one way to make the current model smaller: a row {letter, name, count,
// propose}. Depth and width are the first two; a new pruner is one more row.
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
#include "plan/plan.h"

namespace mop {

/// Scores of the current model, measured when somebody first asks and shared by all branches of a step.
class Measure {
 public:
  virtual ~Measure() = default;
  /// Scores of every layer by the named criterion, [units] float64 each.
  virtual const std::vector<at::Tensor>& scores(const std::string& criterion) = 0;
};

/// What a branch is given.
struct BranchInput {
  const ModelConfig& config;     ///< of the current model
  int64_t budget = 0;            ///< parameters to remove
  double owed = 0;               ///< what the branch's own last step carried
  const Options& options;        ///< the branch's section of the recipe
  std::vector<int32_t> protect;  ///< *source* layers that no step may remove whole
};

/// The sizes after a step: all that accounting needs, no weights and no data.
struct ShapeStep {
  std::vector<LayerShape> layers;        ///< after the step
  std::vector<int32_t> removed_layers;   ///< current indices of the layers that go whole
  double owed = 0;
};

struct Branch {
  char letter;          ///< in path strings: L, G
  std::string name;     ///< in plans and reports: "depth", "width"
  std::string summary;  ///< one line for `mop list branches`
  /// How many units go where. Throws Error(kBadInput) when the branch can remove nothing more.
  std::function<ShapeStep(const BranchInput&)> count;
  /// Which units go: must have the sizes that `count` says. `model` is the current model.
  std::function<PlanStep(const BranchInput&, const Model& model, Measure& measure)> propose;
};

/// Built-in branches, then those added at run time.
std::span<const Branch> all_branches();
const Branch& find_branch(std::string_view name);
const Branch& find_branch(char letter);
void add_branch(Branch branch);

/// One line of an accounting: sizes after a step, cumulative fractions against the dense model.
struct AccountedStep {
  std::string branch;
  std::vector<LayerShape> layers;
  int64_t parameters = 0;
  int64_t block_parameters = 0;
};

}  // namespace mop
