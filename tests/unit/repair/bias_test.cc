// tests/unit/repair/bias_test.cc -- biases that stand for what went.
#include "repair_fixture.h"

namespace mop::testing {
namespace {

class BiasRepair : public RepairTest {
 protected:
  Model repaired(const Model& pruned) {
    return bias_repair({dense_, pruned, samples_, compute_, {}, folder_.path()}, silent_progress());
  }
  // What enters down_proj of a layer of the dense model, mean over all tokens.
  at::Tensor mean_neurons(int64_t wanted) {
    at::Tensor sum_I;
    int64_t tokens = 0;
    for (const auto& ids : samples_.ids) {
      WeightLoader weights(dense_, compute_);
      ForwardOptions options;
      options.tap = [&](int64_t layer, int64_t, const Packing&) -> Tap {
        return [&, layer](Site site, const at::Tensor& value) {
          if (layer != wanted || site != Site::kNeuron) return;
          const at::Tensor here_I = value.to(at::kDouble).sum(0);
          sum_I = sum_I.defined() ? sum_I + here_I : here_I;
          tokens += value.size(0);
        };
      };
      run_layers(weights, at::tensor(ids, at::kLong), {{std::ssize(ids)}}, options);
    }
    return sum_I / tokens;
  }
  const LayerTensor& tensor(Role role) const {
    for (const LayerTensor& row : dense_.config().family->layer_tensors) {
      if (row.role == role) return row;
    }
    throw std::logic_error("no such tensor");
  }
};

TEST_F(BiasRepair, IsTheMeanOfWhatWentThroughItsWeights) {
  const Model better = repaired(without_neurons(1, {3, 7}));
  const at::Tensor down_DI = stored_tensor(dense_, 1, tensor(Role::kDown)).to(at::kDouble);
  const at::Tensor mean_I = mean_neurons(1);
  const at::Tensor expected_D = down_DI.select(1, 3) * mean_I[3].item<double>() +
                                down_DI.select(1, 7) * mean_I[7].item<double>();
  const at::Tensor bias_D = better.layers()[1].changed.at(Role::kDownBias).to(at::kDouble);
  EXPECT_LT((bias_D - expected_D).abs().max().item<double>(), 1e-6);
  EXPECT_EQ(better.layers()[0].changed.at(Role::kDownBias).abs().max().item<double>(), 0);
  EXPECT_FALSE(better.layers()[1].changed.contains(Role::kOutputBias)) << "no head went";
  EXPECT_TRUE(better.config().down_bias);
  EXPECT_FALSE(better.config().output_bias);
  EXPECT_EQ(total_parameters(better.config()),
            total_parameters(dense_.config()) - 2 * 3 * 32 + 4 * 32);
}

// Neurons that always send the same are a bias: nothing is lost with them.
TEST_F(BiasRepair, ConstantNeuronsGoWithoutAnyChange) {
  write_random_model(folder_.path() / "biased", {.extra = R"({"mlp_bias": true})"});
  dense_ = Model::open(folder_.path() / "biased");
  std::vector<Layer> layers = dense_.layers();
  // They see nothing but their own biases.
  layers[2].changed[Role::kMlpNorm] =
      at::zeros_like(stored_tensor(dense_, 2, tensor(Role::kMlpNorm)));
  dense_ = dense_.with_layers(layers);
  const Model pruned = without_neurons(2, {0, 1, 2});
  EXPECT_GT(error(pruned), 1e-5);
  EXPECT_LT(error(repaired(pruned)), 1e-6);
}

TEST_F(BiasRepair, ComesNearerWhenHeadsAndNeuronsGo) {
  IndexList many;
  for (int32_t i = 0; i < 30; ++i) many.push_back(i);
  std::vector<Layer> layers = without_neurons(2, many).layers();
  layers[0].heads = {0, 1};
  layers[0].kv_heads = {0};
  const Model pruned = dense_.with_layers(layers);
  EXPECT_LT(error(repaired(pruned)), error(pruned));
}

TEST_F(BiasRepair, SaysTheSameTwice) {
  const Model once = repaired(without_neurons(1, {3, 7}));
  const Model twice = repaired(once);
  EXPECT_TRUE(at::equal(once.layers()[1].changed.at(Role::kDownBias),
                        twice.layers()[1].changed.at(Role::kDownBias)));
}

TEST_F(BiasRepair, WantsText) {
  samples_.ids.clear();
  EXPECT_THROW(repaired(dense_), Error);
}

}  // namespace
}  // namespace mop::testing
