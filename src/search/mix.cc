// search/mix.cc
#include "search/mix.h"

#include <algorithm>

#include "base/error.h"
#include "base/progress.h"
#include "model/family.h"
#include "search/candidates.h"
#include "surgery/surgery.h"

namespace mop {
namespace {

// The pruned model with its pictures encoded.
Model seen(const Model& cut, const MixFunctions& functions) {
  return functions.see ? functions.see(cut) : cut;
}

// The same with its remaining weights repaired.
Model finished(const Model& cut, const MixFunctions& functions) {
  const Model model = seen(cut, functions);
  return functions.repair ? functions.repair(model) : model;
}

// A Measure shared by the candidates of a step, created on first use.
class SharedMeasure : public Measure {
 public:
  SharedMeasure(const Model& model, std::function<std::unique_ptr<Measure>()> make,
                const MixFunctions& functions)
      : model_(model), make_(std::move(make)), functions_(functions) {}
  const std::vector<at::Tensor>& scores(const std::string& criterion) override {
    return measure().scores(criterion);
  }
  const std::vector<at::Tensor>& tower_scores(const std::string& criterion) override {
    return measure().tower_scores(criterion);
  }
  const std::vector<LayerCurves>& curves(const CurveSettings& settings) override {
    return measure().curves(settings);
  }
  std::vector<Validation> judge(const std::vector<PlanStep>& steps) override {
    std::vector<Model> models;
    for (const PlanStep& step : steps) {
      const Model cut = apply(step, model_);
      verify(cut, step.parameters);
      models.push_back(seen(cut, functions_));
    }
    return functions_.validate(models);
  }
  void note(const std::string& line) override {
    if (functions_.note) functions_.note(line);
  }

 private:
  Measure& measure() {
    if (measure_ == nullptr) measure_ = make_();
    return *measure_;
  }
  const Model& model_;
  std::function<std::unique_ptr<Measure>()> make_;
  const MixFunctions& functions_;
  std::unique_ptr<Measure> measure_;
};

// Returns what the branch's previous step carried over.
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

// One iteration of the loop: proposes, selects, and returns the step and the model after it.
std::pair<MixStep, Model> advance(const Model& model, const MixRecipe& recipe,
                                  const std::vector<PlanStep>& steps, const StepBudget& budget,
                                  const MixFunctions& functions) {
  const int64_t number = static_cast<int64_t>(steps.size()) + 1;
  SharedMeasure measure(
      model, [&] { return functions.measure(model, number); }, functions);
  const auto finish = [&](const Model& cut) { return finished(cut, functions); };
  std::vector<std::unique_ptr<BranchCandidate>> all;
  for (const BranchUse& use : recipe.branches) {
    BranchInput input{.config = model.config(),
                      .budget = budget.amount,
                      .owed = owed_by(steps, use.branch->name),
                      .options = use.options,
                      .protect = recipe.protect,
                      .sources = layer_sources(model),
                      .costs = recipe.costs.get(),
                      .in_full = recipe.in_full,
                      .closing = budget.closing,
                      .remaining = budget.remaining};
    all.push_back(std::make_unique<ModelCandidate>(use, std::move(input), model, measure, finish));
  }
  const std::vector<Candidate*> offered = candidates_to_offer(all);
  const auto [selector, argument] = find_selector(recipe.selector);
  Random random(recipe.seed, static_cast<uint64_t>(number));
  const auto validate = [&](std::span<Candidate* const> some) {
    return validate_all(functions, some);
  };
  const Selection selection = selector->choose({number, offered, validate, random}, argument);
  Candidate& chosen = *offered[selection.chosen];
  std::vector<std::string> names;
  for (const Candidate* candidate : offered) names.push_back(candidate->branch().name);
  return {MixStep{number, budget.amount, chosen.step(), std::move(names), selection.scores},
          chosen.model()};
}

Model replay(const Model& dense, const std::vector<PlanStep>& done, const MixFunctions& functions) {
  if (functions.restore && !done.empty()) return functions.restore(done);
  Model model = dense;
  for (const PlanStep& step : done) {
    model = apply(step, model);
    verify(model, step.parameters);
    model = finished(model, functions);
  }
  return model;
}

}  // namespace

bool reads_curves(const MixRecipe& recipe) {
  return std::ranges::any_of(recipe.branches,
                             [](const BranchUse& use) { return use.branch->reads_curves; });
}

void StallCheck::check(const ModelConfig& config) {
  constexpr int kLongest = 64;
  const int64_t parameters = total_parameters(config);
  idle_ = parameters == parameters_ ? idle_ + 1 : 0;
  parameters_ = parameters;
  if (idle_ < kLongest) return;
  throw bad_input("the target cannot be reached: {} steps in a row removed nothing", idle_);
}

MixResult mix(const Model& dense, const MixRecipe& recipe, const std::vector<PlanStep>& done,
              const MixFunctions& functions) {
  MixResult result{replay(dense, done, functions), done};
  if (functions.replayed) functions.replayed();
  StallCheck stall_check;
  while (true) {
    const auto steps_done = static_cast<int64_t>(result.steps.size());
    const std::optional<StepBudget> budget = functions.budget(result.model.config(), steps_done);
    if (!budget) return result;
    check_stop();
    auto [step, model] = advance(result.model, recipe, result.steps, *budget, functions);
    if (functions.train) {
      std::vector<PlanStep> steps = result.steps;
      steps.push_back(step.plan);
      model = functions.train(model, steps);
    }
    functions.record(step, model);
    result.model = std::move(model);
    result.steps.push_back(std::move(step.plan));
    stall_check.check(result.model.config());
  }
}

}  // namespace mop
