// tests/unit/repair/reconstruction_test.cc -- layers trained one by one towards the dense model.
#include "repair_fixture.h"

namespace mop::testing {
namespace {

class Reconstruction : public RepairTest {
 protected:
  Model repaired(const Model& pruned, int64_t steps = 60, double learning_rate = 2e-3,
                 Progress& progress = silent_progress()) {
    const Options options("repair", {{"steps", steps}, {"learning_rate", learning_rate}});
    return reconstruct_layers({dense_, pruned, samples_, compute_, options, folder_.path()},
                              progress);
  }
  Model solved(const Model& pruned) {
    return least_squares_repair({dense_, pruned, samples_, compute_, {}, folder_.path()},
                                silent_progress());
  }
  // Layer 1 gone, half of layer 2's neurons and half of layer 0's heads.
  Model pruned() const {
    IndexList many;
    for (int32_t i = 0; i < 24; ++i) many.push_back(i);
    std::vector<Layer> layers = without_neurons(2, many).layers();
    layers[0].heads = {0, 1};
    layers[0].kv_heads = {0};
    layers.erase(layers.begin() + 1);
    return dense_.with_layers(layers);
  }
  static bool same_values(const Model& a, const Model& b, int64_t layer) {
    const ModelConfig& config = a.config();
    for (const LayerTensor* tensor :
         tensors_of_layer(config, config.layers[static_cast<size_t>(layer)])) {
      if (!at::equal(stored_tensor(a, layer, *tensor), stored_tensor(b, layer, *tensor)))
        return false;
    }
    return true;
  }
};

TEST_F(Reconstruction, ComesNearerToTheDenseModelThanLeastSquares) {
  add_samples(72);
  const Model linear = solved(pruned());
  const Model better = repaired(linear, 60);
  EXPECT_LT(error(better), 0.97 * error(linear));
}

TEST_F(Reconstruction, EveryTensorOfALayerIsTrained) {
  const Model better = repaired(pruned());
  for (int64_t layer = 0; layer < better.num_layers(); ++layer) {
    const ModelConfig& config = better.config();
    for (const LayerTensor* tensor :
         tensors_of_layer(config, config.layers[static_cast<size_t>(layer)])) {
      const at::Tensor now = stored_tensor(better, layer, *tensor);
      EXPECT_FALSE(at::equal(now, stored_tensor(pruned(), layer, *tensor))) << tensor->suffix;
      EXPECT_EQ(now.scalar_type(), stored_tensor(pruned(), layer, *tensor).scalar_type());
    }
  }
}

TEST_F(Reconstruction, TheLayerBeforeAGapTakesOverWhatTheGapAdded) {
  std::vector<Layer> layers = dense_.layers();
  layers.pop_back();
  const Model shorter = dense_.with_layers(layers);
  EXPECT_LT(error(repaired(shorter)), 0.9 * error(shorter));
}

TEST_F(Reconstruction, ALayerThatCannotBeImprovedKeepsItsBytes) {
  const Model same = repaired(dense_);  // already exact
  for (const Layer& layer : same.layers()) EXPECT_TRUE(layer.changed.empty());
  // A rate that ruins whatever it trains.
  const Model ruined = repaired(pruned(), 20, 0.9);
  for (const Layer& layer : ruined.layers()) {
    EXPECT_EQ(layer.changed.size(), pruned().layers()[0].changed.size());
  }
}

TEST_F(Reconstruction, TheSameInputGivesTheSameBytes) {
  const Model once = repaired(pruned(), 10), again = repaired(pruned(), 10);
  for (int64_t layer = 0; layer < once.num_layers(); ++layer) {
    EXPECT_FALSE(same_values(once, pruned(), layer));
    EXPECT_TRUE(same_values(once, again, layer)) << layer;
  }
}

TEST_F(Reconstruction, KnowsFromTheStartHowMuchThereIsToDo) {
  struct Listener : Progress {
    int64_t total = 0, done = 0;
    void begin(std::string_view, int64_t units) override { total = units; }
    void advance(int64_t units) override {
      EXPECT_GE(units, done);
      done = units;
      EXPECT_LE(done, total);
    }
  } listener;
  repaired(pruned(), 3, 1e-3, listener);
  EXPECT_EQ(listener.done, listener.total);
  EXPECT_GT(listener.total, 0);
}

TEST_F(Reconstruction, WantsASampleToTrainOnAndOneToJudgeBy) {
  samples_.ids.resize(2);
  EXPECT_NO_THROW(repaired(pruned(), 1));
  samples_.ids.resize(1);
  EXPECT_THROW(repaired(pruned(), 1), Error);
}

}  // namespace
}  // namespace mop::testing
