// tests/unit/repair/changing_stream_test.cc -- hidden states of a model that changes.
#include "repair/changing_stream.h"

#include <gtest/gtest.h>

#include <limits>

#include "kit/refusal.h"
#include "repair_fixture.h"
#include "stats/packed_samples.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

class ChangingStreamTest : public RepairTest {
 protected:
  ChangingStreamTest() : packed_(pack(samples_, /*by_length=*/false)) {
    WeightLoader weights(dense_, compute_);
    stream_.emplace(dense_, compute_, packed_.packing, folder_.path(),
                    embed(weights.embedding(), packed_.ids_N, compute_));
  }
  at::Tensor down(const Model& model) const {
    const ModelConfig& config = model.config();
    return stored_tensor(model, 1, *tensor_of_role(config, config.layers[1], Role::kDown));
  }
  const c10::NoGradGuard no_grad_;
  PackedSamples packed_;
  std::optional<ChangingStream> stream_;
};

TEST_F(ChangingStreamTest, LooksAtALayerAndKeepsTheHiddenStates) {
  const at::Tensor before = stream_->hidden_ND().clone();
  at::Tensor leaving;
  ForwardOptions options;
  options.chunk_tokens = packed_.packing.tokens();
  options.tap = [&](int64_t, int64_t, const Packing&) -> Tap {
    return [&](Site site, const at::Tensor& value) {
      if (site == Site::kLayerOutput) leaving = value.clone();
    };
  };
  stream_->look(stream_->model(), 0, options);
  EXPECT_TRUE(at::equal(stream_->hidden_ND(), before));
  stream_->pass(stream_->model(), 0);
  EXPECT_TRUE(at::equal(stream_->hidden_ND(), leaving));
}

TEST_F(ChangingStreamTest, ChangesTheModelItReturnsAndNotTheOneItStartedWith) {
  const at::Tensor old = down(dense_).clone();
  stream_->change(1, Role::kDown, old * 2);
  EXPECT_TRUE(at::equal(down(stream_->model()), old * 2));
  EXPECT_TRUE(at::equal(down(dense_), old));
}

TEST_F(ChangingStreamTest, RefusesWeightsThatAreNotFinite) {
  const at::Tensor broken = down(dense_).clone();
  broken[0][0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refusal_of([&] { stream_->change(1, Role::kDown, broken); }),
              HasSubstr("layer 1 would get weights that are not finite"));
}

}  // namespace
}  // namespace mop::testing
