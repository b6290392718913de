// search/candidates.cc
#include "search/candidates.h"

#include "base/error.h"
#include "plan/target.h"
#include "surgery/surgery.h"

namespace mop {

std::string BranchCandidate::obstacle() {
  try {
    shapes();
    return "";
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kBadInput) throw;
    return e.message();
  }
}

const PlanStep& BranchCandidate::step() {
  throw internal_error("the candidate '{}' has sizes but no weights", branch().name);
}

const Model& BranchCandidate::model() {
  throw internal_error("the candidate '{}' has sizes but no weights", branch().name);
}

const PlanStep& ModelCandidate::step() {
  if (!step_) step_ = use_.branch->propose(input_, current_, measure_);
  return *step_;
}

const Model& ModelCandidate::model() {
  if (!model_) {
    model_ = apply(step(), current_);
    verify(*model_, step().parameters);
    if (finish_) model_ = finish_(*model_);
  }
  return *model_;
}

std::vector<Candidate*> candidates_to_offer(
    const std::vector<std::unique_ptr<BranchCandidate>>& all) {
  std::vector<const Branch*> used;
  for (const auto& candidate : all) used.push_back(&candidate->branch());
  std::vector<Candidate*> offered;
  for (const auto& candidate : all) {
    const bool gives_way = candidate->obstacle().empty() &&
                           !overshoot(candidate->branch(), used, candidate->input()).empty();
    if (!gives_way) offered.push_back(candidate.get());
  }
  return offered;
}

}  // namespace mop
