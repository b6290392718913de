#include "collectives/collectives.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "base/error.h"
#include "kit/ranks.h"

namespace mop {
namespace {

using testing::as_ranks;
using ::testing::ElementsAre;
using testing::free_port;
using ::testing::HasSubstr;
using testing::place;

class Ranks : public ::testing::TestWithParam<int64_t> {};

TEST_P(Ranks, AllReduceAddsUpTensorsOfManyTypesAndShapesAlikeOnEveryRank) {
  const int64_t size = GetParam();
  std::vector<std::vector<at::Tensor>> seen(static_cast<size_t>(size));
  const auto errors = as_ranks(size, [&](std::shared_ptr<Collectives> ranks) {
    const double r = static_cast<double>(ranks->rank());
    std::vector<at::Tensor> tensors = {
        at::full({2, 3}, 1 + r, at::kFloat),         at::full({}, 0.5, at::kFloat),
        at::full({5}, 1e-12 * (r + 1), at::kDouble), at::full({4}, ranks->rank(), at::kLong),
        at::full({3}, 2 * r, at::kBFloat16),         at::full({3, 2}, r, at::kFloat).t()};
    ranks->all_reduce(tensors);
    seen[static_cast<size_t>(ranks->rank())] = tensors;
  });
  EXPECT_THAT(errors, ::testing::Each(""));
  const double n = static_cast<double>(size), sum = n * (n - 1) / 2;
  const auto& first = seen[0];
  EXPECT_TRUE(first[0].eq(n + sum).all().item<bool>()) << first[0];
  EXPECT_EQ(first[1].item<double>(), n / 2);
  EXPECT_TRUE(at::allclose(first[2], at::full({5}, 1e-12 * (n + sum), at::kDouble), 1e-12, 0));
  EXPECT_TRUE(first[3].eq(static_cast<int64_t>(sum)).all().item<bool>());
  EXPECT_TRUE(first[4].eq(2 * sum).all().item<bool>());
  EXPECT_TRUE(first[5].eq(sum).all().item<bool>());
  for (const auto& other : seen) {
    for (size_t i = 0; i < other.size(); ++i) EXPECT_TRUE(other[i].equal(first[i]));
  }
}

TEST_P(Ranks, BroadcastGivesEveryRankWhatRankZeroHas) {
  const auto errors = as_ranks(GetParam(), [&](std::shared_ptr<Collectives> ranks) {
    const at::Tensor value = at::full({3}, 7.0 + static_cast<double>(ranks->rank()));
    ranks->broadcast(std::vector{value});
    EXPECT_TRUE(value.eq(7.0).all().item<bool>());
    EXPECT_EQ(ranks->broadcast(ranks->rank() == 0 ? "plan" : "another"), "plan");
  });
  EXPECT_THAT(errors, ::testing::Each(""));
}

TEST_P(Ranks, GatherKeepsEveryRanksBytesInOrder) {
  const int64_t size = GetParam();
  const auto errors = as_ranks(size, [&](std::shared_ptr<Collectives> ranks) {
    const std::string mine(static_cast<size_t>(ranks->rank()), 'x');
    const auto all = ranks->all_gather(mine);
    ASSERT_EQ(all.size(), static_cast<size_t>(size));
    for (size_t r = 0; r < all.size(); ++r) EXPECT_EQ(all[r], std::string(r, 'x'));
    EXPECT_EQ(ranks->sum(int64_t{2}), 2 * size);
    EXPECT_EQ(ranks->sum(0.25), 0.25 * static_cast<double>(size));
    ranks->barrier();
  });
  EXPECT_THAT(errors, ::testing::Each(""));
}

INSTANTIATE_TEST_SUITE_P(TwoAndFour, Ranks, ::testing::Values(2, 4));

TEST(Collectives, TensorsBeyondABucketAreAddedUpToo) {
  const auto errors = as_ranks(2, [&](std::shared_ptr<Collectives> ranks) {
    std::vector<at::Tensor> tensors = {at::ones({3}), at::ones({(int64_t{16} << 20) + 5}),
                                       at::ones({7})};
    ranks->all_reduce(tensors);
    for (const at::Tensor& t : tensors) EXPECT_TRUE(t.eq(2).all().item<bool>());
  });
  EXPECT_THAT(errors, ::testing::Each(""));
}

TEST(Collectives, RankThatEndsIsAnErrorOnTheOthersNotAWait) {
  const auto begin = std::chrono::steady_clock::now();
  const auto errors = as_ranks(3, [&](std::shared_ptr<Collectives> ranks) {
    ranks->barrier();
    if (ranks->rank() == 1) return;  // its connections close
    ranks->barrier();
    ranks->barrier();
  });
  EXPECT_EQ(errors[1], "");
  for (const size_t rank : {0u, 2u}) {
    EXPECT_THAT(errors[rank], HasSubstr("another process of this job ended or does not answer"));
    EXPECT_THAT(errors[rank], HasSubstr(fmt::format("rank:  {} of 3", rank)));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));
}

TEST(Collectives, RankThatNeverComesIsAnError) {
  RankPlace alone = place(0, 2, free_port());
  alone.timeout = std::chrono::seconds(1);
  try {
    join_ranks(alone);
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kIo);
    EXPECT_THAT(e.what(), HasSubstr("the 2 processes of this job did not all come together"));
  }
}

TEST(Collectives, OneRankSendsNothing) {
  const auto ranks = join_ranks(RankPlace());
  const at::Tensor value = at::ones({2});
  ranks->all_reduce({value});
  EXPECT_TRUE(value.eq(1).all().item<bool>());
  EXPECT_THAT(ranks->all_gather("a"), ElementsAre("a"));
  EXPECT_EQ(ranks->sum(int64_t{3}), 3);
}

TEST(RankShare, CoversEverythingOnceInOrder) {
  class Fake final : public Collectives {
   public:
    explicit Fake(int64_t rank) : rank_(rank) {}
    int64_t rank() const override { return rank_; }
    int64_t size() const override { return 4; }
    void all_reduce(const std::vector<at::Tensor>&) override {}
    void broadcast(const std::vector<at::Tensor>&) override {}
    std::vector<std::string> all_gather(std::string_view) override { return {}; }

   private:
    int64_t rank_;
  };
  std::vector<std::pair<int64_t, int64_t>> shares;
  for (int64_t rank = 0; rank < 4; ++rank) shares.push_back(rank_share(10, Fake(rank)));
  using P = std::pair<int64_t, int64_t>;
  EXPECT_THAT(shares, ElementsAre(P(0, 3), P(3, 6), P(6, 8), P(8, 10)));
}

class RankEnvironment : public ::testing::Test {
 protected:
  void TearDown() override {
    for (const char* name : kNames) ::unsetenv(name);
  }
  std::string refusal() {
    try {
      rank_from_environment();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kUsage);
      return e.what();
    }
    return "nothing was refused";
  }
  static constexpr const char* kNames[] = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
                                           "MOP_RANK_TIMEOUT"};
};

TEST_F(RankEnvironment, WithoutWorldSizeIsOneRank) { EXPECT_EQ(rank_from_environment().size, 1); }

TEST_F(RankEnvironment, IsReadAsTorchrunSetsIt) {
  ::setenv("RANK", "3", 1);
  ::setenv("WORLD_SIZE", "4", 1);
  ::setenv("MASTER_ADDR", "node0", 1);
  ::setenv("MASTER_PORT", "29500", 1);
  ::setenv("MOP_RANK_TIMEOUT", "7", 1);
  const RankPlace place = rank_from_environment();
  EXPECT_EQ(place.rank, 3);
  EXPECT_EQ(place.size, 4);
  EXPECT_EQ(place.address, "node0");
  EXPECT_EQ(place.port, 29500);
  EXPECT_EQ(place.timeout, std::chrono::seconds(7));
}

TEST_F(RankEnvironment, NamesTheVariableThatIsMissingOrWrong) {
  ::setenv("WORLD_SIZE", "2", 1);
  EXPECT_THAT(refusal(), HasSubstr("RANK is not set"));
  ::setenv("RANK", "2", 1);
  EXPECT_THAT(refusal(), HasSubstr("RANK is '2', expected a number from 0 to 1"));
  ::setenv("RANK", "1", 1);
  EXPECT_THAT(refusal(), HasSubstr("MASTER_ADDR is not set"));
  ::setenv("MASTER_ADDR", "127.0.0.1", 1);
  ::setenv("MASTER_PORT", "http", 1);
  EXPECT_THAT(refusal(), HasSubstr("MASTER_PORT is 'http'"));
}

}  // namespace
}  // namespace mop
