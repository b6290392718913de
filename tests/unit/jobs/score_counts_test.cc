// tests/unit/jobs/score_counts_test.cc -- histograms of scores of any size.
#include "jobs/score_counts.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "kit/random_model.h"

namespace mop {
namespace {

// The counts of one layer's neurons by these scores.
Json counts_of(const std::vector<double>& scores) {
  const testing::TempFolder folder;
  testing::write_random_model(
      folder.path(), {.layers = 1, .mlp = static_cast<int64_t>(scores.size()), .vocab = 16});
  StepMeasures measured{.model = Model::open(folder.path())};
  measured.scores["magnitude-neurons"] = {at::tensor(scores, at::kDouble)};
  return score_counts(measured, {}).at(0);
}

void expect_bins_of_all(const std::vector<double>& scores) {
  const Json counts = counts_of(scores);
  const auto edges = counts["edges"].get<std::vector<double>>();
  ASSERT_GE(edges.size(), 2U);
  ASSERT_LE(edges.size(), 50U);
  for (size_t i = 1; i < edges.size(); ++i) EXPECT_LT(edges[i - 1], edges[i]);
  const auto kept = counts["kept"].get<std::vector<int64_t>>();
  EXPECT_EQ(std::accumulate(kept.begin(), kept.end(), counts["below"]["kept"].get<int64_t>()),
            std::ssize(scores));
}

// Bins of so narrow a range have edges that no six digits tell apart.
TEST(ScoreCounts, OfScoresThatHardlyDifferAreOneBin) {
  for (const double score : {0., 1., 3e-5, -7e5, 1e17}) {
    expect_bins_of_all({score, score, score});
    expect_bins_of_all({score, std::nextafter(score, INFINITY), score * (1 + 1e-9)});
    expect_bins_of_all({score, score * (1 + 1e-4)});
  }
}

TEST(ScoreCounts, OfOtherScoresAreManyBins) {
  expect_bins_of_all({1, 2, 3, 4});
  expect_bins_of_all({1e-6, 1, 1e6});
  expect_bins_of_all({1000, 1001, 1002});
  expect_bins_of_all({0, 1e-320});
  expect_bins_of_all({1, 2, INFINITY, NAN});
  expect_bins_of_all({-1e308, 1e308});
}

}  // namespace
}  // namespace mop
