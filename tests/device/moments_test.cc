// device/moments_test.cc -- second moments of half layers on a device are the CPU's.
#include "device/jobs.h"
#include "stats/half_layer_moments.h"

namespace mop::testing {
namespace {

class MomentsOnDevice : public OnDevice {
 protected:
  std::vector<HalfLayerMoments> walk(const Compute& compute, const MomentsOptions& options) {
    TokenSamples samples;
    at::manual_seed(5);
    for (const int64_t length : {9, 2, 30, 9, 17}) {
      const at::Tensor ids = at::randint(1, 60, {length}, at::kLong);
      samples.ids.emplace_back(ids.const_data_ptr<int64_t>(),
                               ids.const_data_ptr<int64_t>() + length);
    }
    std::vector<HalfLayerMoments> all;
    walk_half_layer_moments(
        model_, compute, samples, folder_.path(),
        [&](const HalfLayerMoments& moments) { all.push_back(moments); }, silent_progress(),
        options);
    return all;
  }

  void expect_the_cpus(const MomentsOptions& options) {
    const auto device = walk(device_compute(), options), cpu = walk(cpu_compute(), options);
    ASSERT_EQ(device.size(), cpu.size());
    for (size_t i = 0; i < cpu.size(); ++i) {
      EXPECT_FALSE(device[i].gram_KK.is_cpu());
      EXPECT_EQ(device[i].layer, cpu[i].layer);
      EXPECT_EQ(device[i].half, cpu[i].half);
      expect_close(device[i].gram_KK.cpu(), cpu[i].gram_KK, "Gram");
      ASSERT_EQ(device[i].gradients_DD.defined(), options.gradients);
      if (options.gradients) {
        expect_close(device[i].gradients_DD.cpu(), cpu[i].gradients_DD, "gradients");
      }
      ASSERT_EQ(device[i].next_DK.defined(), cpu[i].next_DK.defined());
      if (!cpu[i].next_DK.defined()) continue;
      EXPECT_TRUE(options.look_ahead);
      expect_close(device[i].next_DK.cpu(), cpu[i].next_DK, "what the next half adds, by inputs");
      expect_close(device[i].next_DD.cpu(), cpu[i].next_DD, "what the next half adds");
    }
  }

  Model model_ = Model::open(small_model(folder_.path()));
};

TEST_F(MomentsOnDevice, WithGradients) { expect_the_cpus({}); }

TEST_F(MomentsOnDevice, InPieces) { expect_the_cpus({.piece_tokens = 20}); }

TEST_F(MomentsOnDevice, WithWhatTheNextHalfAdds) {
  expect_the_cpus({.look_ahead = true, .piece_tokens = 20});
}

TEST_F(MomentsOnDevice, WithoutGradients) { expect_the_cpus({.gradients = false}); }

}  // namespace
}  // namespace mop::testing
