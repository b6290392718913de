// search/candidates.cc
#include "search/candidates.h"

#include <algorithm>

#include "base/error.h"
#include "model/family.h"
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

namespace {

bool removes_nothing(const BranchCandidate& candidate) {
  const ModelConfig& config = candidate.input().config;
  return total_parameters(after_step(config, candidate.shapes())) == total_parameters(config);
}

// Whether rounding to packs leaves the whole budget of a step that must reach it. Budgets in other
// currencies do not tell.
bool is_idle(BranchCandidate& candidate) {
  const BranchInput& input = candidate.input();
  return input.closing && input.costs == nullptr && candidate.obstacle().empty() &&
         removes_nothing(candidate);
}

}  // namespace

std::vector<Candidate*> candidates_to_offer(
    const std::vector<std::unique_ptr<BranchCandidate>>& all) {
  std::vector<const Branch*> used;
  for (const auto& candidate : all) used.push_back(&candidate->branch());
  std::vector<Candidate*> offered, idle;
  for (const auto& candidate : all) {
    const bool gives_way = candidate->obstacle().empty() &&
                           !overshoot(candidate->branch(), used, candidate->input()).empty();
    if (!gives_way) (is_idle(*candidate) ? idle : offered).push_back(candidate.get());
  }
  const bool some_work = std::ranges::any_of(
      offered, [](Candidate* candidate) { return candidate->obstacle().empty(); });
  if (!some_work) offered.insert(offered.end(), idle.begin(), idle.end());
  return offered;
}

}  // namespace mop
