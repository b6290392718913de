// What we ask of NCCL, shown on a library of its names (nccl_double.cc). NCCL itself needs GPUs.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "collectives/nccl_group.h"
#include "kit/ranks.h"

namespace mop {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;

/// Counts what goes the usual way.
class Counting final : public Collectives {
 public:
  explicit Counting(std::shared_ptr<Collectives> ranks) : ranks_(std::move(ranks)) {}
  int64_t rank() const override { return ranks_->rank(); }
  int64_t size() const override { return ranks_->size(); }
  using Collectives::broadcast;
  void all_reduce(const std::vector<at::Tensor>& tensors) override {
    floats += std::count_if(tensors.begin(), tensors.end(),
                            [](const at::Tensor& t) { return t.is_floating_point(); });
    ranks_->all_reduce(tensors);
  }
  void broadcast(const std::vector<at::Tensor>& tensors) override {
    floats += static_cast<int64_t>(tensors.size());
    ranks_->broadcast(tensors);
  }
  std::vector<std::string> all_gather(std::string_view bytes) override {
    return ranks_->all_gather(bytes);
  }
  int64_t floats = 0;

 private:
  std::shared_ptr<Collectives> ranks_;
};

std::vector<std::string> as_ranks_with(
    int64_t size, const std::string& library, at::DeviceType kind,
    const std::function<void(Collectives&, const Counting&)>& work) {
  return testing::as_ranks(size, [&](std::shared_ptr<Collectives> ranks) {
    const auto control = std::make_shared<Counting>(std::move(ranks));
    const auto all = with_nccl(control, std::chrono::seconds(1), library, kind);
    all->meet_on(at::kCPU);
    work(*all, *control);
  });
}

// All kinds of tensors, the right sums, and how many went the usual way.
void expect_sums(Collectives& ranks, const Counting& control, int64_t usual) {
  const auto r = static_cast<double>(ranks.rank()), n = static_cast<double>(ranks.size());
  const double sum = n * (n - 1) / 2;
  const std::vector<at::Tensor> tensors = {
      at::full({2, 3}, r, at::kFloat), at::full({3}, 2 * r, at::kBFloat16),
      at::full({5}, r / 8, at::kDouble), at::full({2, 2}, ranks.rank(), at::kLong).t()};
  ranks.all_reduce(tensors);
  EXPECT_TRUE(tensors[0].eq(sum).all().item<bool>()) << tensors[0];
  EXPECT_TRUE(tensors[1].eq(2 * sum).all().item<bool>()) << tensors[1];
  EXPECT_TRUE(tensors[2].eq(sum / 8).all().item<bool>()) << tensors[2];
  EXPECT_TRUE(tensors[3].eq(static_cast<int64_t>(sum)).all().item<bool>()) << tensors[3];
  const at::Tensor value = at::full({4}, 7 + r);
  ranks.broadcast(std::vector{value});
  EXPECT_TRUE(value.eq(7).all().item<bool>()) << value;
  EXPECT_EQ(control.floats, usual);
}

TEST(Nccl, TensorsOfOtherDevicesGoTheUsualWay) {
  EXPECT_THAT(as_ranks_with(2, "libnccl.so.2", at::kCUDA,
                            [](Collectives& ranks, const Counting& control) {
                              expect_sums(ranks, control, 4);
                            }),
              Each(""));
}

TEST(Nccl, WithoutTheLibraryAllGoesTheUsualWay) {
  EXPECT_THAT(as_ranks_with(2, "libabsent.so", at::kCPU,
                            [](Collectives& ranks, const Counting& control) {
                              expect_sums(ranks, control, 4);
                            }),
              Each(""));
}

#ifdef MOP_NCCL_DOUBLE
TEST(Nccl, TensorsOfItsDevicesGoThroughIt) {
  for (const int64_t size : {2, 4}) {
    EXPECT_THAT(as_ranks_with(size, MOP_NCCL_DOUBLE, at::kCPU,
                              [](Collectives& ranks, const Counting& control) {
                                expect_sums(ranks, control, 0);
                              }),
                Each(""));
  }
}

TEST(Nccl, OneRankWithoutItIsEnoughToGoTheUsualWay) {
  EXPECT_THAT(testing::as_ranks(2,
                                [](std::shared_ptr<Collectives> ranks) {
                                  const auto control = std::make_shared<Counting>(ranks);
                                  const bool has = ranks->rank() == 0;
                                  const auto all =
                                      with_nccl(control, std::chrono::seconds(1),
                                                has ? MOP_NCCL_DOUBLE : "libabsent.so", at::kCPU);
                                  all->meet_on(at::kCPU);
                                  expect_sums(*all, *control, 4);
                                }),
              Each(""));
}

TEST(Nccl, ItsRefusalIsOneClearError) {
  const auto errors =
      as_ranks_with(3, MOP_NCCL_DOUBLE, at::kCPU, [](Collectives&, const Counting&) {});
  EXPECT_THAT(errors, Each(AllOf(HasSubstr("NCCL: invalid usage"), HasSubstr("Duplicate GPU"),
                                 HasSubstr("MOP_NCCL=0"))));
}

// What goes wrong while a call is under way ends NCCL: what waits in a device's stream must not
// keep a rank from saving. The double fails for 55 numbers and never ends for 66.
TEST(Nccl, AnErrorOrSilenceEndsIt) {
  for (const auto& [count, message] :
       {std::pair{55, "NCCL: invalid usage"}, {66, "does not answer by NCCL"}}) {
    const auto errors =
        as_ranks_with(2, MOP_NCCL_DOUBLE, at::kCPU,
                      [&, count = count, message = message](Collectives& ranks, const Counting&) {
                        const at::Tensor tensor = at::ones({count});
                        try {
                          ranks.all_reduce({tensor});
                          ADD_FAILURE() << "no error";
                        } catch (const Error& e) {
                          EXPECT_THAT(e.what(), HasSubstr(message));
                        }
                        ranks.all_reduce({at::ones({2})});
                      });
    EXPECT_THAT(errors, Each(HasSubstr("NCCL ended with an earlier error"))) << message;
  }
}
#endif

}  // namespace
}  // namespace mop
