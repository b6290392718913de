// search/mix.cc
#include "search/mix.h"

#include <algorithm>

#include "base/error.h"
#include "base/progress.h"
#include "plan/target.h"
#include "surgery/surgery.h"

namespace mop {
namespace {

// One Measure for all candidates of a step, made when the first of them asks.
class SharedMeasure : public Measure {
 public:
  explicit SharedMeasure(std::function<std::unique_ptr<Measure>()> make) : make_(std::move(make)) {}
  const std::vector<at::Tensor>& scores(const std::string& criterion) override {
    if (measure_ == nullptr) measure_ = make_();
    return measure_->scores(criterion);
  }

 private:
  std::function<std::unique_ptr<Measure>()> make_;
  std::unique_ptr<Measure> measure_;
};

// Builds its step when somebody first looks, and its model when somebody looks at that.
class LazyCandidate : public Candidate {
 public:
  LazyCandidate(const BranchUse& use, BranchInput input, const Model& current, Measure& measure)
      : use_(use), input_(std::move(input)), current_(current), measure_(measure) {}

  const Branch& branch() const override { return *use_.branch; }

  std::string obstacle() override {
    try {
      use_.branch->count(input_);
      return "";
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::kBadInput) throw;
      return e.message();
    }
  }

  const PlanStep& step() override {
    if (!step_) step_ = use_.branch->propose(input_, current_, measure_);
    return *step_;
  }

  const Model& model() override {
    if (!model_) {
      model_ = apply(step(), current_);
      verify(*model_, step().parameters);
    }
    return *model_;
  }

 private:
  const BranchUse& use_;
  BranchInput input_;
  const Model& current_;
  Measure& measure_;
  std::optional<PlanStep> step_;
  std::optional<Model> model_;
};

// What the branch's own last step left over.
Owed owed_by(const std::vector<PlanStep>& steps, const std::string& branch) {
  const auto last = std::find_if(steps.rbegin(), steps.rend(),
                                 [&](const PlanStep& step) { return step.branch == branch; });
  return last == steps.rend() ? Owed() : last->owed;
}

std::vector<Validation> validate_all(const MixFunctions& functions,
                                     std::span<Candidate* const> candidates) {
  std::vector<Model> models;
  for (Candidate* candidate : candidates) models.push_back(candidate->model());
  return functions.validate(models);
}

// The candidates of one step. They refer to `model` and `recipe`, and to each other through what they
// measure.
class Candidates {
 public:
  Candidates(const Model& model, const MixRecipe& recipe, const std::vector<PlanStep>& steps,
             int64_t budget, std::function<std::unique_ptr<Measure>()> measure)
      : measure_(std::move(measure)) {
    std::vector<const Branch*> used;
    for (const BranchUse& use : recipe.branches) used.push_back(use.branch);
    for (const BranchUse& use : recipe.branches) {
      BranchInput input{model.config(), budget,         owed_by(steps, use.branch->name),
                        use.options,    recipe.protect, layer_sources(model)};
      auto row = std::make_unique<LazyCandidate>(use, input, model, measure_);
      // The last step must meet the target: a branch that would overshoot leaves it to another.
      if (row->obstacle().empty() && !overshoot(*use.branch, used, input).empty()) continue;
      rows_.push_back(std::move(row));
      list_.push_back(rows_.back().get());
    }
  }
  std::span<Candidate* const> list() const { return list_; }

 private:
  SharedMeasure measure_;
  std::vector<std::unique_ptr<Candidate>> rows_;
  std::vector<Candidate*> list_;
};

// One turn of the loop: candidates, choice, and the model after it.
std::pair<MixStep, Model> advance(const Model& model, const MixRecipe& recipe,
                                  const std::vector<PlanStep>& steps, int64_t budget,
                                  const MixFunctions& functions) {
  const int64_t number = static_cast<int64_t>(steps.size()) + 1;
  const Candidates candidates(model, recipe, steps, budget,
                              [&] { return functions.measure(model, number); });
  const auto [selector, argument] = find_selector(recipe.selector);
  Random random(recipe.seed, static_cast<uint64_t>(number));
  const auto validate = [&](std::span<Candidate* const> some) {
    return validate_all(functions, some);
  };
  const Selection selection =
      selector->choose(SelectInput{number, candidates.list(), validate, random}, argument);
  Candidate& chosen = *candidates.list()[selection.chosen];
  std::vector<std::string> names;
  for (const Candidate* candidate : candidates.list()) names.push_back(candidate->branch().name);
  return {MixStep{number, budget, chosen.step(), std::move(names), selection.scores}, chosen.model()};
}

Model replay(const Model& dense, const std::vector<PlanStep>& done) {
  Model model = dense;
  for (const PlanStep& step : done) {
    model = apply(step, model);
    verify(model, step.parameters);
  }
  return model;
}

}  // namespace

MixResult mix(const Model& dense, const MixRecipe& recipe, const std::vector<PlanStep>& done,
              const MixFunctions& functions) {
  MixResult result{replay(dense, done), done};
  while (true) {
    const auto steps_done = static_cast<int64_t>(result.steps.size());
    const std::optional<int64_t> budget = functions.budget(result.model.config(), steps_done);
    if (!budget) return result;
    check_stop();
    auto [step, model] = advance(result.model, recipe, result.steps, *budget, functions);
    functions.record(step, model);
    result.model = std::move(model);
    result.steps.push_back(std::move(step.plan));
  }
}

}  // namespace mop
