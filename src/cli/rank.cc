// cli/rank.cc -- runs a verb as one of several processes.
#include "cli/verb.h"

namespace mop {

Answer as_rank(Progress& progress, const std::function<Answer(Progress&, Collectives&)>& work) {
  const auto ranks = join_ranks(rank_from_environment());
  if (ranks->rank() == 0) return work(progress, *ranks);
  Answer answer = work(silent_progress(), *ranks);
  answer.silent = true;
  return answer;
}

}  // namespace mop
