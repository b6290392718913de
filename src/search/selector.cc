// search/selector.cc -- the table of selectors.
#include "search/selector.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/named_table.h"

namespace mop {
namespace {

// Returns the indices of the candidates whose branch can still remove something.
std::vector<size_t> available(const SelectInput& input) {
  std::vector<size_t> indices;
  std::string reasons;
  for (size_t i = 0; i < input.candidates.size(); ++i) {
    const std::string obstacle = input.candidates[i]->obstacle();
    if (obstacle.empty()) indices.push_back(i);
    reasons += "\n  " + input.candidates[i]->branch().name + ": " + obstacle;
  }
  if (indices.empty()) throw bad_input("no branch can remove anything more:{}", reasons);
  return indices;
}

// Follows the letters of the path, repeated when it is too short. If the letter's branch is not a
// candidate, the path's first divisible branch takes the step (see `overshoot` in plan/target.h).
Selection follow_path(const SelectInput& input, const std::string& letters) {
  const char wanted = letters[static_cast<size_t>(input.step - 1) % letters.size()];
  const auto find = [&](char letter, bool divisible) -> std::optional<size_t> {
    for (size_t i = 0; i < input.candidates.size(); ++i) {
      const Branch& branch = input.candidates[i]->branch();
      if (branch.letter == letter && (branch.divisible || !divisible)) return i;
    }
    return std::nullopt;
  };
  if (const auto i = find(wanted, false)) return {*i, {}};
  for (const char letter : letters) {
    if (const auto i = find(letter, true)) return {*i, {}};
  }
  throw internal_error("no branch '{}' at step {}", wanted, input.step);
}

void check_path(const std::string& letters, std::span<const Branch* const> branches) {
  std::string known;
  for (const Branch* branch : branches) {
    known += fmt::format("{}{} = {}", known.empty() ? "" : ", ", branch->letter, branch->name);
  }
  if (letters.empty()) throw usage_error("a path needs letters, as in path:LGGL").hint(known);
  for (const char letter : letters) {
    const auto is_it = [&](const Branch* branch) { return branch->letter == letter; };
    if (std::none_of(branches.begin(), branches.end(), is_it)) {
      throw usage_error("the path '{}' asks for '{}', which is none of this run's branches",
                        letters, letter)
          .hint(known);
    }
  }
}

void check_no_argument(const std::string& argument, std::span<const Branch* const>) {
  if (!argument.empty()) throw usage_error("only 'path' takes an argument, got ':{}'", argument);
}

Selection draw(const SelectInput& input, const std::string&) {
  const std::vector<size_t> open = available(input);
  return {open[input.random.below(open.size())], {}};
}

// Validates all candidates together and selects the lowest `cost`, the first on a tie. A candidate
// whose figures are not finite (its model diverged) ranks last.
Selection lowest_cost(const SelectInput& input, double (*cost)(const Validation&)) {
  const std::vector<size_t> open = available(input);
  if (open.size() == 1) return {open[0], {}};
  std::vector<Candidate*> judged;
  for (const size_t i : open) judged.push_back(input.candidates[i]);
  const std::vector<Validation> figures = input.validate(judged);
  Selection selection{open[0], std::vector(input.candidates.size(), Validation{NAN, NAN, NAN})};
  double best = INFINITY;
  for (size_t i = 0; i < open.size(); ++i) {
    selection.scores[open[i]] = figures[i];
    const double value = cost(figures[i]);
    if (value < best) {
      best = value;
      selection.chosen = open[i];
    }
  }
  if (best == INFINITY) throw bad_input("step {}: no candidate gives finite figures", input.step);
  return selection;
}

constexpr const char* kPaper = "MoP, arXiv 2602.06127";

template <double (*cost)(const Validation&)>
Selector judged_by(std::string name, std::string summary) {
  const auto choose = [](const SelectInput& input, const std::string&) {
    return lowest_cost(input, cost);
  };
  return {.name = std::move(name),
          .summary = std::move(summary),
          .needs_validation = true,
          .choose = choose,
          .check = check_no_argument,
          .source = kPaper,
          .deviations = {5, 11}};
}

double nll_of(const Validation& v) { return v.nll; }
double kl_of(const Validation& v) { return v.kl; }
double distance_of(const Validation& v) { return 1 - v.cosine; }

std::vector<Selector>& table() {
  static std::vector<Selector> rows = {
      {.name = "path",
       .summary = "a fixed string of branch letters, repeated when too short: path:LGGL",
       .choose = follow_path,
       .check = check_path,
       .source = kPaper},
      {.name = "random",
       .summary = "a branch drawn at every step, by the seed",
       .choose = draw,
       .check = check_no_argument,
       .source = kPaper},
      judged_by<nll_of>("perplexity", "the candidate with the lowest perplexity on held-out text"),
      judged_by<kl_of>("kl", "the candidate whose predictions are nearest to the dense model's"),
      judged_by<distance_of>(
          "cosine", "the candidate whose last hidden states are nearest to the dense model's"),
  };
  return rows;
}

}  // namespace

std::span<const Selector> all_selectors() { return table(); }

std::pair<const Selector*, std::string> find_selector(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string argument(colon == text.npos ? "" : text.substr(colon + 1));
  return {&find_by_name(all_selectors(), name, "selector"), argument};
}

void add_selector(Selector selector) {
  for (const Selector& row : table()) {
    if (row.name == selector.name) {
      throw usage_error("there is already a selector called '{}'", selector.name);
    }
  }
  table().push_back(std::move(selector));
}

}  // namespace mop
