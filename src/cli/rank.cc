// cli/rank.cc -- a verb that several processes share.
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
