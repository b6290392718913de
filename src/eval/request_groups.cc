// eval/request_groups.cc -- converts questions to sequences with branches (Packing::branches): the
// common prefix is the sequence, the rest of each request a branch.
#include "eval/request_groups.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace mop {
namespace {

// Returns the number of tokens to run: the last one of a request is only predicted.
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

/// How a question is run: `shared` tokens once, then the rest of every request; 0 = each request
/// separately.
struct Layout {
  size_t question = 0;
  int64_t shared = 0;
  int64_t tokens = 0;
};

// Shares a prefix only if that saves an eighth of the tokens: sequences without branches run in
// larger batches.
Layout layout_of(std::span<const Question> questions, size_t q, int64_t longest_shared) {
  const Question& question = questions[q];
  const auto more = static_cast<int64_t>(question.size()) - 1;
  const int64_t asked = asked_tokens(question);
  if (more < 1) return {q, 0, asked};
  const auto longer = [&](const TokenRequest& r) { return input_length(r) > longest_shared; };
  if (std::ranges::any_of(question, longer)) return {q, 0, asked};
  const int64_t common = common_beginning(question);
  if (common * more * 8 < asked) return {q, 0, asked};
  return {q, common, asked - common * more};
}

std::vector<Layout> by_length(std::span<const Question> questions, int64_t longest_shared) {
  std::vector<Layout> layouts;
  for (size_t q = 0; q < questions.size(); ++q) {
    if (!questions[q].empty()) layouts.push_back(layout_of(questions, q, longest_shared));
  }
  std::stable_sort(layouts.begin(), layouts.end(),
                   [](const Layout& a, const Layout& b) { return a.tokens > b.tokens; });
  return layouts;
}

class GroupBuilder {
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
      for (int64_t t = length - request.scored; t < length; ++t) {
        rows_.push_back(t < layout.shared ? base + t : own + t - layout.shared);
        targets_.push_back(request.ids[static_cast<size_t>(t + 1)]);
      }
      places_.push_back({layout.question, i, request.scored});
    }
  }

  int64_t tokens() const { return static_cast<int64_t>(ids_.size()); }

  RequestGroup finish() {
    if (!any_branch_) packing_.branches.clear();
    return {at::tensor(ids_, at::kLong), std::move(packing_), at::tensor(rows_, at::kLong),
            at::tensor(targets_, at::kLong), std::move(places_)};
  }

 private:
  void append(const TokenRequest& request, int64_t begin, int64_t end, bool branch) {
    ids_.insert(ids_.end(), request.ids.begin() + begin, request.ids.begin() + end);
    packing_.lengths.push_back(end - begin);
    packing_.starts.push_back(begin);
    packing_.branches.push_back(branch);
    any_branch_ |= branch;
  }

  std::vector<int64_t> ids_, rows_, targets_;
  Packing packing_;
  bool any_branch_ = false;
  std::vector<RequestGroup::Place> places_;
};

}  // namespace

std::vector<RequestGroup> group_requests(std::span<const Question> questions, int64_t max_tokens,
                                         int64_t longest_shared) {
  std::vector<RequestGroup> groups;
  GroupBuilder builder;
  for (const Layout& layout : by_length(questions, longest_shared)) {
    if (builder.tokens() > 0 && builder.tokens() + layout.tokens > max_tokens) {
      groups.push_back(builder.finish());
      builder = {};
    }
    builder.add(questions, layout);
  }
  if (builder.tokens() > 0) groups.push_back(builder.finish());
  return groups;
}

TokenCount count_tokens(std::span<const Question> questions, int64_t longest_shared) {
  TokenCount count;
  for (const Layout& layout : by_length(questions, longest_shared)) {
    count.run += layout.tokens;
    count.asked += asked_tokens(questions[layout.question]);
  }
  return count;
}

}  // namespace mop
