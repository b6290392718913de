// search/candidates.h -- the proposals of one step, each built only as far as somebody looks.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "search/mix.h"
#include "search/selector.h"

namespace mop {

/// Knows its sizes; `step` and `model` are for those that have weights.
class BranchCandidate : public Candidate {
 public:
  BranchCandidate(const BranchUse& use, BranchInput input) : use_(use), input_(std::move(input)) {}
  const Branch& branch() const override { return *use_.branch; }
  std::string obstacle() override;
  const PlanStep& step() override;
  const Model& model() override;
  /// The sizes after the step. Throws Error(kBadInput) when the branch can remove nothing more.
  ShapeStep shapes() const { return use_.branch->count(input_); }
  const BranchInput& input() const { return input_; }

 protected:
  const BranchUse& use_;
  BranchInput input_;
};

/// Proposes when its step is first asked for, and cuts when its model is.
class ModelCandidate : public BranchCandidate {
 public:
  /// `finish` is given what is left, and gives it back with new values, say; may be null.
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

/// Those that may be taken: in the step that must meet the target, a branch that would overshoot
/// leaves it to another.
std::vector<Candidate*> candidates_to_offer(
    const std::vector<std::unique_ptr<BranchCandidate>>& all);

}  // namespace mop
