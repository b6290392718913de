// eval/tasks/score_requests.cc -- questions become sequences with branches (Packing::branches): the
// common beginning is the sequence, what is left of each request a branch.
//
// Shape letters: N tokens of a group, R scored tokens of all its requests, D hidden.
#include "eval/tasks/score_requests.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>

#include "eval/packed_groups.h"
#include "eval/token_scores.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

// Rows of hidden states that are gathered at once for the head.
constexpr int64_t kScoredRows = 8192;

// Tokens that are run: the last one of a request is only predicted.
int64_t input_length(const TokenRequest& request) {
  return static_cast<int64_t>(request.ids.size()) - 1;
}

int64_t common_beginning(const Question& question) {
  int64_t common = input_length(question.front());
  for (const TokenRequest& request : question) {
    const auto& first = question.front().ids;
    const int64_t most = std::min(common, input_length(request));
    common = std::mismatch(first.begin(), first.begin() + most, request.ids.begin()).first -
             first.begin();
  }
  return common;
}

int64_t asked_tokens(const Question& question) {
  int64_t tokens = 0;
  for (const TokenRequest& request : question) tokens += input_length(request);
  return tokens;
}

/// How a question is run: `shared` tokens once, then the rest of every request; 0 = each by itself.
struct Layout {
  size_t question = 0;
  int64_t shared = 0;
  int64_t tokens = 0;
};

// Sharing must save an eighth of the tokens: sequences without branches run in larger batches.
Layout layout_of(std::span<const Question> questions, size_t q) {
  const Question& question = questions[q];
  const auto more = static_cast<int64_t>(question.size()) - 1;
  const int64_t asked = asked_tokens(question);
  if (more < 1) return {q, 0, asked};
  const int64_t common = common_beginning(question);
  if (common * more * 8 < asked) return {q, 0, asked};
  return {q, common, asked - common * more};
}

std::vector<Layout> by_length(std::span<const Question> questions) {
  std::vector<Layout> layouts;
  for (size_t q = 0; q < questions.size(); ++q) {
    if (!questions[q].empty()) layouts.push_back(layout_of(questions, q));
  }
  std::stable_sort(layouts.begin(), layouts.end(),
                   [](const Layout& a, const Layout& b) { return a.tokens > b.tokens; });
  return layouts;
}

/// Questions that go through the layers together.
class Group {
 public:
  void add(std::span<const Question> questions, const Layout& layout) {
    const Question& question = questions[layout.question];
    const int64_t base = tokens();
    if (layout.shared > 0) append(question.front(), 0, layout.shared, false);
    for (size_t i = 0; i < question.size(); ++i) {
      const TokenRequest& request = question[i];
      const int64_t own = tokens();
      const int64_t length = input_length(request);
      if (length > layout.shared) append(request, layout.shared, length, layout.shared > 0);
      const int64_t first = length - request.scored;
      for (int64_t t = first; t < length; ++t) {
        rows_.push_back(t < layout.shared ? base + t : own + t - layout.shared);
        targets_.push_back(request.ids[static_cast<size_t>(t + 1)]);
      }
      requests_.push_back({layout.question, i, request.scored});
    }
  }

  int64_t tokens() const { return static_cast<int64_t>(ids_.size()); }

  void score(WeightLoader& weights, const ForwardOptions& options,
             std::vector<std::vector<LogLikelihood>>& results) {
    if (!any_branch_) packing_.branches.clear();
    const at::Tensor hidden_ND =
        run_layers(weights, at::tensor(ids_, at::kLong), packing_, options);
    const TokenScores scores = score_rows(weights, hidden_ND);
    const float* nll = scores.nll_N.const_data_ptr<float>();
    const bool* greedy = scores.greedy_N.const_data_ptr<bool>();
    for (const auto& [question, request, scored] : requests_) {
      LogLikelihood& result = results[question][request];
      for (int64_t t = 0; t < scored; ++t) {
        result.sum -= static_cast<double>(*nll++);
        result.greedy = *greedy++ && result.greedy;
      }
    }
  }

 private:
  struct Place {
    size_t question, request;
    int64_t scored;
  };

  void append(const TokenRequest& request, int64_t begin, int64_t end, bool branch) {
    ids_.insert(ids_.end(), request.ids.begin() + begin, request.ids.begin() + end);
    packing_.lengths.push_back(end - begin);
    packing_.starts.push_back(begin);
    packing_.branches.push_back(branch);
    any_branch_ |= branch;
  }

  TokenScores score_rows(WeightLoader& weights, const at::Tensor& hidden_ND) const {
    const at::Tensor rows_R = at::tensor(rows_, at::kLong), targets_R = at::tensor(targets_);
    std::vector<at::Tensor> nll, greedy;
    for (int64_t begin = 0; begin < rows_R.size(0); begin += kScoredRows) {
      const int64_t count = std::min(kScoredRows, rows_R.size(0) - begin);
      const at::Tensor hidden_RD =
          hidden_ND.index_select(0, rows_R.narrow(0, begin, count).to(hidden_ND.device()));
      const TokenScores part = token_scores(weights.globals(), weights.model().config(), hidden_RD,
                                            targets_R.narrow(0, begin, count));
      nll.push_back(part.nll_N);
      greedy.push_back(part.greedy_N);
    }
    return {at::cat(nll), at::cat(greedy)};
  }

  std::vector<int64_t> ids_, rows_, targets_;
  Packing packing_;
  bool any_branch_ = false;
  std::vector<Place> requests_;
};

std::vector<Group> groups_of(std::span<const Question> questions, int64_t max_tokens) {
  std::vector<Group> groups;
  for (const Layout& layout : by_length(questions)) {
    if (groups.empty() || groups.back().tokens() + layout.tokens > max_tokens) {
      groups.emplace_back();
    }
    groups.back().add(questions, layout);
  }
  return groups;
}

}  // namespace

std::vector<std::vector<LogLikelihood>> score_requests(WeightLoader& weights,
                                                       std::span<const Question> questions,
                                                       Progress& progress) {
  const c10::NoGradGuard no_grad;
  std::vector<std::vector<LogLikelihood>> results;
  for (const Question& question : questions) results.emplace_back(question.size());
  auto groups = groups_of(questions, group_tokens(weights.model().config(), weights.compute()));
  int64_t done = 0;
  ForwardOptions options;
  options.after_layer = [&](int64_t) { progress.advance(++done); };
  progress.begin("requests", static_cast<int64_t>(groups.size()) * weights.model().num_layers());
  for (Group& group : groups) group.score(weights, options, results);
  progress.end();
  check_mappings();
  return results;
}

TokenCount count_tokens(std::span<const Question> questions) {
  TokenCount count;
  for (const Layout& layout : by_length(questions)) {
    count.run += layout.tokens;
    count.asked += asked_tokens(questions[layout.question]);
  }
  return count;
}

}  // namespace mop
