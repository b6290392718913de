// base/nearest.cc
#include "base/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/lower_ascii.h"

namespace mop {
namespace {

// Edit distance with insertions, deletions, substitutions and swaps of neighbours (optimal string
// alignment).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const size_t change = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({change, cost[i - 1][j] + 1, cost[i][j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

// Allows two edits from six characters on, one below: most three-letter names are within two.
size_t allowed_slips(std::string_view word) { return word.size() < 6 ? 1 : 2; }

constexpr size_t kLongestName = 64;

// Removes the first word of a name (words end at a dash or an underscore), and returns it.
std::string_view take_word(std::string_view& name) {
  const size_t end = std::min(name.find_first_of("-_"), name.size());
  const std::string_view word = name.substr(0, end);
  name.remove_prefix(std::min(end + 1, name.size()));
  return word;
}

// Whether words of `name`, in order, begin with all words of `given`: max-tokens and
// max-new-tokens, calib and calibration.
bool abbreviates(std::string_view given, std::string_view name) {
  if (given.size() < 4 || given.find_first_not_of("-_") == given.npos) return false;
  while (!given.empty()) {
    const std::string_view word = take_word(given);
    bool found = word.empty();
    while (!found && !name.empty()) found = take_word(name).starts_with(word);
    if (!found) return false;
  }
  return true;
}

}  // namespace

std::string nearest(std::string_view word, std::span<const std::string> known) {
  std::string_view found;
  if (word.size() > kLongestName) return "";
  const std::string given = lower_ascii(std::string(word));
  size_t best = allowed_slips(word) + 1;
  for (const std::string& name : known) {
    const size_t slips = distance(given, lower_ascii(name));
    const bool longer = found.empty() && name.size() > 3 && word.starts_with(name);
    if (!longer && slips >= best) continue;
    best = std::min(best, slips);
    found = name;
  }
  if (found.empty()) {
    const auto longer = std::ranges::find_if(
        known, [&](const std::string& name) { return abbreviates(given, lower_ascii(name)); });
    if (longer != known.end()) found = *longer;
  }
  return std::string(found);
}

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
  const std::string meant = nearest(word, known);
  return meant.empty() ? "" : fmt::format("did you mean '{}'?", meant);
}

std::string with_nearest(std::string_view word, std::span<const std::string> known) {
  const std::string question = did_you_mean(word, known);
  return question.empty() ? std::string(word) : fmt::format("{} ({})", word, question);
}

}  // namespace mop
