// Sharing beginnings changes the work, not the numbers.
#include "eval/score_requests.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "kit/random_model.h"
#include "model/forward.h"

namespace mop {
namespace {

using testing::RandomModel;

std::vector<int64_t> random_ids(Random& random, int64_t count, int64_t vocab) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int64_t>(random.below(vocab)));
  return ids;
}

// A question whose choices share `shared` tokens; each has `own` more, which are scored.
Question question(Random& random, int64_t shared, const std::vector<int64_t>& own) {
  const auto beginning = random_ids(random, shared, 96);
  Question question;
  for (const int64_t length : own) {
    TokenRequest request{beginning, length};
    const auto rest = random_ids(random, length, 96);
    request.ids.insert(request.ids.end(), rest.begin(), rest.end());
    question.push_back(request);
  }
  return question;
}

// Each request by itself, one after the other.
std::vector<std::vector<LogLikelihood>> one_by_one(WeightLoader& weights,
                                                   const std::vector<Question>& questions) {
  std::vector<std::vector<LogLikelihood>> results;
  for (const Question& question : questions) {
    results.emplace_back();
    for (const TokenRequest& request : question) {
      const std::vector<Question> alone = {{request}};
      results.back().push_back(score_requests(weights, alone)[0][0]);
    }
  }
  return results;
}

void expect_same(const RandomModel& what) {
  SCOPED_TRACE(what.family + " " + what.extra);
  testing::TempFolder folder;
  testing::write_random_model(folder.path(), what);
  WeightLoader weights(Model::open(folder.path()), Compute{});
  Random random(5);
  const std::vector<Question> questions = {
      question(random, 9, {1, 1, 1, 1}),  question(random, 20, {3, 1, 7}),
      question(random, 1, {2, 2}),        question(random, 30, {5}),
      question(random, 12, {4, 4, 4, 4}), {}};
  const auto shared = score_requests(weights, questions);
  const auto alone = one_by_one(weights, questions);
  ASSERT_EQ(shared.size(), alone.size());
  for (size_t q = 0; q < shared.size(); ++q) {
    ASSERT_EQ(shared[q].size(), alone[q].size());
    for (size_t r = 0; r < shared[q].size(); ++r) {
      EXPECT_NEAR(shared[q][r].sum, alone[q][r].sum, 1e-4) << q << " " << r;
      EXPECT_EQ(shared[q][r].greedy, alone[q][r].greedy);
    }
  }
}

TEST(ScoreRequests, SharedBeginningsGiveTheSameNumbers) {
  expect_same({});
  expect_same({.family = "qwen3"});
  expect_same({.family = "mistral", .extra = R"({"sliding_window":6})"});
}

// A beginning turned for one length is none of a longer request's.
TEST(ScoreRequests, NothingIsSharedWhereTheLengthDecidesThePositions) {
  expect_same({.extra = R"({"original_max_position_embeddings":13,"rope_scaling":{"type":"longrope",
      "factor":4.0,"short_factor":[1,1.5,2,2.5],"long_factor":[1,3,5,7]}})"});
  expect_same({.context = 13, .extra = R"({"rope_scaling":{"type":"dynamic","factor":4.0}})"});
  Random random(7);
  const std::vector<Question> questions = {question(random, 20, {3, 3, 3, 3})};
  EXPECT_EQ(count_tokens(questions, 21).run, 4 * 22);
  EXPECT_EQ(count_tokens(questions, 22).run, 20 + 4 * 2);
}

TEST(ScoreRequests, AnswersDoNotDependOnTheirNeighbours) {
  testing::TempFolder folder;
  testing::write_random_model(folder.path());
  WeightLoader weights(Model::open(folder.path()), Compute{});
  Random random(6);
  std::vector<Question> questions = {question(random, 15, {2, 5})};
  const double before = score_requests(weights, questions)[0][1].sum;
  std::swap(questions[0][0], questions[0][1]);
  questions[0][1].ids.back() = (questions[0][1].ids.back() + 1) % 96;
  EXPECT_NEAR(score_requests(weights, questions)[0][0].sum, before, 1e-4);
}

TEST(ScoreRequests, ABeginningIsRunOnce) {
  Random random(7);
  const std::vector<Question> questions = {question(random, 20, {3, 3, 3, 3})};
  const TokenCount count = count_tokens(questions);
  EXPECT_EQ(count.asked, 4 * 22);
  EXPECT_EQ(count.run, 20 + 4 * 2);
}

TEST(ScoreRequests, GreedyMeansThatEveryTokenIsTheMostLikelyOne) {
  testing::TempFolder folder;
  testing::write_random_model(folder.path());
  WeightLoader weights(Model::open(folder.path()), Compute{});
  Random random(8);
  const auto context = random_ids(random, 10, 96);
  int64_t greedy = 0;
  Question question;
  for (int64_t id = 0; id < 96; ++id) {
    TokenRequest request{context, 1};
    request.ids.push_back(id);
    question.push_back(request);
  }
  const std::vector<Question> questions = {question};
  const auto answers = score_requests(weights, questions)[0];
  double best = -1e9, total = 0;
  for (const LogLikelihood& answer : answers) {
    greedy += answer.greedy;
    best = std::max(best, answer.sum);
    total += std::exp(answer.sum);
  }
  EXPECT_EQ(greedy, 1);
  EXPECT_NEAR(total, 1., 1e-4);
  for (const LogLikelihood& answer : answers) EXPECT_EQ(answer.greedy, answer.sum == best);
}

TEST(Branches, GradientsFlowThroughThem) {
  testing::TempFolder folder;
  testing::write_random_model(folder.path());
  WeightLoader weights(Model::open(folder.path()), Compute{});
  const Packing packing{{5, 2, 3}, {0, 5, 5}, {false, true, true}};
  const at::Tensor input_ND = at::ones({10, 32}).requires_grad_(true);
  const at::Tensor with_ND = run_layer_range(weights, input_ND, packing, 0, 4);
  with_ND.sum().backward();
  EXPECT_TRUE(input_ND.grad().isfinite().all().item<bool>());
  const c10::NoGradGuard no_grad;
  const at::Tensor without_ND = run_layer_range(weights, input_ND.detach(), packing, 0, 4);
  EXPECT_TRUE(at::allclose(with_ND, without_ND, 1e-4, 1e-5));
}

}  // namespace
}  // namespace mop
