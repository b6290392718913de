// plan/accounting.cc
#include "plan/accounting.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "model/composite.h"
#include "model/family.h"

namespace mop {
namespace {

// The branches in the path, in order of first appearance.
std::vector<const Branch*> branches_of(const std::string& path) {
  if (path.empty()) throw usage_error("the path is empty, expected letters such as LGGL");
  std::vector<const Branch*> used;
  for (const char letter : path) {
    const Branch* branch = &find_branch(letter);
    if (std::find(used.begin(), used.end(), branch) == used.end()) used.push_back(branch);
  }
  return used;
}

AccountedStep measure(const ModelConfig& config, std::vector<int32_t> sources) {
  AccountedStep step;
  step.layers = config.layers;
  step.hidden = config.hidden;
  step.sources = std::move(sources);
  step.parameters = total_parameters(config);
  step.block_parameters = block_parameters(config);
  if (config.composite) {
    step.tower = config.composite->tower.layers;
    step.tower_parameters = block_parameters(config.composite->tower);
  }
  return step;
}

// The state that one step passes to the next.
class Walk {
 public:
  Walk(const ModelConfig& dense, const AccountOptions& options)
      : options_(options), used_(branches_of(options.path)), config_(dense) {}

  AccountedStep step(const AccountedStep& last, int64_t number, const StepBudget& budget) {
    const Branch* branch = &find_branch(options_.path[(number - 1) % options_.path.size()]);
    if (!overshoot(*branch, used_, input(*branch, last, budget)).empty()) {
      branch = *std::find_if(used_.begin(), used_.end(), [](auto* b) { return b->divisible; });
    }
    const ShapeStep shapes = branch->count(input(*branch, last, budget));
    config_ = after_step(config_, shapes);
    owed_[branch->name] = shapes.owed;
    std::vector<int32_t> sources = last.sources;
    for (auto gone = shapes.removed_layers.rbegin(); gone != shapes.removed_layers.rend(); ++gone) {
      sources.erase(sources.begin() + *gone);
    }
    AccountedStep step = measure(config_, std::move(sources));
    step.branch = branch->name;
    step.budget = budget.amount;
    step.owed = shapes.owed;
    return step;
  }

  const ModelConfig& config() const { return config_; }

 private:
  BranchInput input(const Branch& branch, const AccountedStep& last, const StepBudget& budget) {
    return {.config = config_,
            .budget = budget.amount,
            .owed = owed_[branch.name],
            .options = options_for(branch.name),
            .protect = options_.protect,
            .sources = last.sources,
            .in_full = options_.target.size.has_value(),
            .closing = budget.closing,
            .remaining = budget.remaining};
  }
  const Options& options_for(const std::string& name) const {
    static const Options kDefaults;
    const auto found = options_.branches.find(name);
    return found == options_.branches.end() ? kDefaults : found->second;
  }

  const AccountOptions& options_;
  std::vector<const Branch*> used_;
  ModelConfig config_;
  std::map<std::string, Owed> owed_;
};

double fraction(int64_t before, int64_t after) {
  return before == 0 ? 0 : static_cast<double>(before - after) / static_cast<double>(before);
}

}  // namespace

double Accounting::removed_fraction(const AccountedStep& step) const {
  return fraction(dense.parameters, step.parameters);
}

double Accounting::block_removed_fraction(const AccountedStep& step) const {
  return fraction(dense.block_parameters, step.block_parameters);
}

double Accounting::tower_removed_fraction(const AccountedStep& step) const {
  return fraction(dense.tower_parameters, step.tower_parameters);
}

double Accounting::removed_fraction(const AccountedStep& step, const Target& target) const {
  if (target.of_tower) return tower_removed_fraction(step);
  return target.of_blocks ? block_removed_fraction(step) : removed_fraction(step);
}

ModelConfig config_after(const ModelConfig& dense, const Accounting& accounting) {
  ModelConfig config = dense;
  if (accounting.steps.empty()) return config;
  const AccountedStep& last = accounting.steps.back();
  config.layers = last.layers;
  config.hidden = last.hidden;
  if (last.tower != accounting.dense.tower)
    config.composite = config.composite->with_tower(last.tower);
  return config;
}

Accounting account(const ModelConfig& dense, const AccountOptions& options) {
  constexpr int kPatience =
      64;  // maximum consecutive steps that remove nothing while the owed budget accumulates
  Walk walk(dense, options);
  std::vector<int32_t> sources(dense.layers.size());
  std::iota(sources.begin(), sources.end(), 0);
  Accounting result{measure(dense, std::move(sources)), {}};
  int idle = 0;
  while (true) {
    const auto done = static_cast<int64_t>(result.steps.size());
    const auto budget = next_budget(options.target, dense, walk.config(), done);
    if (!budget) return result;
    const AccountedStep& last = done == 0 ? result.dense : result.steps.back();
    AccountedStep step = walk.step(last, done + 1, *budget);
    idle = step.parameters == last.parameters ? idle + 1 : 0;
    result.steps.push_back(std::move(step));
    if (idle == kPatience) {
      throw bad_input("the target cannot be reached: {} consecutive steps removed nothing", idle);
    }
  }
}

}  // namespace mop
