// What each selector looks at, and what it takes.
#include "search/selector.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "kit/refusal.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using testing::expect_usage_error;
using ::testing::HasSubstr;

// A candidate without weights: whoever asks for its model made a mistake.
class FakeCandidate : public Candidate {
 public:
  FakeCandidate(char letter, std::string obstacle = "")
      : branch_{letter, std::string(1, letter), "", nullptr, nullptr},
        obstacle_(std::move(obstacle)) {}
  const Branch& branch() const override { return branch_; }
  std::string obstacle() override { return obstacle_; }
  const PlanStep& step() override { throw internal_error("built"); }
  const Model& model() override { throw internal_error("built"); }

 private:
  Branch branch_;
  std::string obstacle_;
};

class Selectors : public ::testing::Test {
 protected:
  Selection choose(const std::string& text, int64_t step = 1) {
    const auto [selector, argument] = find_selector(text);
    std::vector<Candidate*> candidates;
    for (FakeCandidate& candidate : candidates_) candidates.push_back(&candidate);
    Random random(seed_, static_cast<uint64_t>(step));
    const auto validate = [&](std::span<Candidate* const> judged) {
      judged_ += judged.size();
      return std::vector<Validation>(figures_.begin(),
                                     figures_.begin() + static_cast<long>(judged.size()));
    };
    return selector->choose({step, candidates, validate, random}, argument);
  }

  std::vector<FakeCandidate> candidates_ = {FakeCandidate('L'), FakeCandidate('G'),
                                            FakeCandidate('X')};
  std::vector<Validation> figures_ = {{2.0, 0.3, 0.7}, {1.5, 0.4, 0.6}, {1.7, 0.2, 0.9}};
  uint64_t seed_ = 0;
  size_t judged_ = 0;
};

TEST_F(Selectors, PathFollowsItsLettersAndRepeatsThem) {
  std::vector<size_t> chosen;
  for (int64_t step = 1; step <= 5; ++step) chosen.push_back(choose("path:LGG", step).chosen);
  EXPECT_THAT(chosen, ElementsAre(0, 1, 1, 0, 1));
  EXPECT_EQ(judged_, 0u);
}

TEST_F(Selectors, PathLeavesTheStepToItsFirstDivisibleBranchWhenItsOwnIsNotOffered) {
  candidates_ = {FakeCandidate('X'), FakeCandidate('G')};
  EXPECT_EQ(choose("path:LGX").chosen, 1u);
}

TEST_F(Selectors, RandomDrawsTheSameForTheSameSeedAndStepAndTakesEveryBranch) {
  std::vector<size_t> first, again, counts(3);
  for (int64_t step = 1; step <= 300; ++step) {
    first.push_back(choose("random", step).chosen);
    again.push_back(choose("random", step).chosen);
    ++counts[first.back()];
  }
  EXPECT_EQ(first, again);
  for (const size_t count : counts) EXPECT_GT(count, 70u);
  seed_ = 1;
  std::vector<size_t> other;
  for (int64_t step = 1; step <= 300; ++step) other.push_back(choose("random", step).chosen);
  EXPECT_NE(first, other);
}

TEST_F(Selectors, RandomLeavesOutBranchesThatCanRemoveNothing) {
  candidates_ = {FakeCandidate('L', "no layers left"), FakeCandidate('G')};
  for (int64_t step = 1; step <= 20; ++step) EXPECT_EQ(choose("random", step).chosen, 1u);
}

TEST_F(Selectors, PerplexityKlAndCosineTakeTheBestByTheirOwnFigure) {
  EXPECT_EQ(choose("perplexity").chosen, 1u);
  EXPECT_EQ(choose("kl").chosen, 2u);
  EXPECT_EQ(choose("cosine").chosen, 2u);
  figures_[0].cosine = 0.95;
  EXPECT_EQ(choose("cosine").chosen, 0u);
}

TEST_F(Selectors, TheFirstWinsATie) {
  figures_ = {{1.5, 0, 0}, {1.5, 0, 0}, {1.5, 0, 0}};
  EXPECT_EQ(choose("perplexity").chosen, 0u);
}

TEST_F(Selectors, ADivergedCandidateLoses) {
  figures_[1].nll = NAN;
  EXPECT_EQ(choose("perplexity").chosen, 2u);
}

TEST_F(Selectors, ASingleCandidateIsTakenWithoutValidation) {
  candidates_ = {FakeCandidate('G')};
  EXPECT_EQ(choose("perplexity").chosen, 0u);
  EXPECT_EQ(judged_, 0u);
}

TEST_F(Selectors, FiguresAreReportedForEveryCandidateInOrder) {
  candidates_[0] = FakeCandidate('L', "no layers left");
  figures_ = {{1.5, 0, 0}, {1.4, 0, 0}};
  const Selection selection = choose("perplexity");
  EXPECT_EQ(selection.chosen, 2u);
  ASSERT_EQ(selection.scores.size(), 3u);
  EXPECT_TRUE(std::isnan(selection.scores[0].nll));
  EXPECT_EQ(selection.scores[1].nll, 1.5);
}

TEST_F(Selectors, SayWhyWhenNoBranchIsLeft) {
  candidates_ = {FakeCandidate('L', "no layers left"), FakeCandidate('G', "no neurons left")};
  try {
    choose("random");
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), HasSubstr("L: no layers left"));
    EXPECT_THAT(e.what(), HasSubstr("G: no neurons left"));
  }
}

void check(const std::string& text) {
  const std::vector<const Branch*> branches = {&find_branch('L'), &find_branch('G')};
  const auto [selector, argument] = find_selector(text);
  selector->check(argument, branches);
}

TEST(SelectorTable, ListsTheKnownNamesWhenOneIsUnknown) {
  expect_usage_error(
      [] { find_selector("greedy"); },
      "unknown selector 'greedy'\n  hint: known: path, random, perplexity, kl, cosine");
}

TEST(SelectorTable, RefusesAPathThatIsEmptyOrNamesNoBranch) {
  expect_usage_error([] { check("path"); }, "a path needs letters, as in path:LGGL");
  expect_usage_error([] { check("path:LGX"); }, "the path 'LGX' asks for 'X'");
  check("path:LG");
}

TEST(SelectorTable, RefusesAnArgumentWhereNoneIsTaken) {
  expect_usage_error([] { check("kl:3"); }, "only 'path' takes an argument, got ':3'");
}

TEST(SelectorTable, TakesOneMoreRowOnce) {
  const auto last = [](const SelectInput& input, const std::string&) {
    return Selection{input.candidates.size() - 1, {}};
  };
  add_selector({"last", "always the last", false, last, nullptr});
  EXPECT_EQ(find_selector("last").first->summary, "always the last");
  expect_usage_error(
      [&] {
        add_selector({"last", "", false, last, nullptr});
      },
      "already a selector");
}

}  // namespace
}  // namespace mop
