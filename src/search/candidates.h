// search/candidates.h -- the proposals of one step, each computed only when it is needed.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "search/mix.h"
#include "search/selector.h"

namespace mop {

/// A proposal with sizes only; `step` and `model` need weights.
class BranchCandidate : public Candidate {
 public:
  BranchCandidate(const BranchUse& use, BranchInput input) : use_(use), input_(std::move(input)) {}
  const Branch& branch() const override { return *use_.branch; }
  std::string obstacle() override;
  const PlanStep& step() override;
  const Model& model() override;
  /// Returns the sizes after the step. Throws Error(kBadInput) when the branch can remove nothing
  /// more.
  ShapeStep shapes() const { return use_.branch->count(input_); }
  const BranchInput& input() const { return input_; }

 protected:
  const BranchUse& use_;
  BranchInput input_;
};

/// Computes the plan on the first call of step() and the pruned model on the first call of model().
class ModelCandidate : public BranchCandidate {
 public:
  /// `finish` returns the model with its final values; may be null.
  ModelCandidate(const BranchUse& use, BranchInput input, const Model& current, Measure& measure,
                 const std::function<Model(const Model&)>& finish = nullptr)
      : BranchCandidate(use, std::move(input)),
        current_(current),
        measure_(measure),
        finish_(finish) {}
  const PlanStep& step() override;
  const Model& model() override;

 private:
  const Model& current_;
  Measure& measure_;
  std::function<Model(const Model&)> finish_;
  std::optional<PlanStep> step_;
  std::optional<Model> model_;
};

/// Returns the candidates that may be selected. A branch that would overshoot the target, or that
/// cannot remove a whole pack of a budget that must be reached, is omitted if another can take the
/// step.
std::vector<Candidate*> candidates_to_offer(
    const std::vector<std::unique_ptr<BranchCandidate>>& all);

}  // namespace mop
