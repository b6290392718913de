// eval/rank_scores.cc
#include "eval/rank_scores.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace mop {
namespace {

// Assigns questions to ranks: sorted by length, longest first, then round-robin, so that shares are
// balanced.
class Assignment {
 public:
  Assignment(std::span<const Question> questions, const Collectives& ranks)
      : questions_(questions), order_(questions.size()), ranks_(ranks.size()) {
    std::iota(order_.begin(), order_.end(), size_t{0});
    const auto tokens = [&](size_t question) {
      size_t sum = 0;
      for (const TokenRequest& request : questions[question]) sum += request.ids.size();
      return sum;
    };
    std::stable_sort(order_.begin(), order_.end(),
                     [&](size_t a, size_t b) { return tokens(a) > tokens(b); });
  }

  std::vector<Question> share(int64_t rank) const {
    std::vector<Question> questions;
    for_each(rank, [&](size_t question) { questions.push_back(questions_[question]); });
    return questions;
  }

  // Exchanges the answers of all ranks. A sum takes eight bytes, `greedy` one.
  Answers collect(const Answers& own, Collectives& ranks) const {
    std::string bytes;
    for (const auto& answer : own) {
      for (const LogLikelihood& one : answer) {
        bytes.append(reinterpret_cast<const char*>(&one.sum), sizeof one.sum);
        bytes.push_back(one.greedy ? 1 : 0);
      }
    }
    const std::vector<std::string> parts = ranks.all_gather(bytes);
    Answers all(questions_.size());
    for (int64_t rank = 0; rank < ranks.size(); ++rank) {
      const char* at = parts[static_cast<size_t>(rank)].data();
      for_each(rank, [&](size_t question) {
        for (size_t i = 0; i < questions_[question].size(); ++i, at += sizeof(double) + 1) {
          LogLikelihood& one = all[question].emplace_back();
          std::memcpy(&one.sum, at, sizeof one.sum);
          one.greedy = at[sizeof one.sum] != 0;
        }
      });
    }
    return all;
  }

 private:
  template <typename Use>
  void for_each(int64_t rank, Use use) const {
    for (size_t i = static_cast<size_t>(rank); i < order_.size(); i += static_cast<size_t>(ranks_))
      use(order_[i]);
  }

  std::span<const Question> questions_;
  std::vector<size_t> order_;
  int64_t ranks_;
};

int64_t scored_tokens(const std::vector<Question>& questions) {
  int64_t scored = 0;
  for (const Question& question : questions) {
    for (const TokenRequest& request : question) scored += request.scored;
  }
  return scored;
}

}  // namespace

Answers score_requests(WeightLoader& weights, std::span<const Question> questions,
                       Collectives& ranks, Progress& progress) {
  if (ranks.size() == 1) return score_requests(weights, questions, progress);
  const Assignment assignment(questions, ranks);
  const std::vector<Question> share = assignment.share(ranks.rank());
  return assignment.collect(share.empty() ? Answers() : score_requests(weights, share, progress),
                            ranks);
}

Comparison compare_requests(WeightLoader& model, WeightLoader& dense,
                            std::span<const Question> questions, Collectives& ranks,
                            Progress& progress) {
  if (ranks.size() == 1) return compare_requests(model, dense, questions, progress);
  const Assignment assignment(questions, ranks);
  const std::vector<Question> share = assignment.share(ranks.rank());
  Comparison both;
  if (!share.empty()) both = compare_requests(model, dense, share, progress);
  both.model = assignment.collect(both.model, ranks);
  both.dense = assignment.collect(both.dense, ranks);
  const auto own = static_cast<double>(scored_tokens(share));
  const double all = ranks.sum(own);
  both.kl = ranks.sum(both.kl * own) / all;
  both.agreement = ranks.sum(both.agreement * own) / all;
  return both;
}

}  // namespace mop
