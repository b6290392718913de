// tests/unit/repair/least_squares_test.cc -- sequential least squares against what it must reach.
#include "repair/dense_stream.h"
#include "repair_fixture.h"

namespace mop::testing {
namespace {

class LeastSquaresRepair : public RepairTest {
 protected:
  Model repaired(const Model& pruned, double damping) {
    return least_squares_repair({dense_, pruned, samples_, compute_,
                                 Options("repair", {{"damping", damping}}), folder_.path()},
                                silent_progress());
  }
};

TEST_F(LeastSquaresRepair, ATwinTakesOverCompletely) {
  // Neurons 3 and 7 of layer 1 compute the same: what one sends on, the other can.
  std::vector<Layer> layers = dense_.layers();
  for (const LayerTensor& tensor : dense_.config().family->layer_tensors) {
    if (tensor.role != Role::kGate && tensor.role != Role::kUp) continue;
    at::Tensor value = stored_tensor(dense_, 1, tensor).clone();
    value[7].copy_(value[3]);
    layers[1].changed[tensor.role] = value;
  }
  dense_ = dense_.with_layers(layers);
  const Model pruned = without_neurons(1, {7});
  EXPECT_GT(error(pruned), 1e-3);
  EXPECT_LT(error(repaired(pruned, 1e-9)), 2e-5);
}

TEST_F(LeastSquaresRepair, ComesNearerToTheDenseModelWhateverGoes) {
  IndexList many;
  for (int32_t i = 0; i < 30; ++i) many.push_back(i);
  std::vector<Layer> layers = without_neurons(2, many).layers();
  layers[0].heads = {0, 1};  // a KV group with its query heads
  layers[0].kv_heads = {0};
  layers.erase(layers.begin() + 1);
  const Model pruned = dense_.with_layers(layers);
  const Model better = repaired(pruned, 0);
  EXPECT_LT(error(better), 0.8 * error(pruned));
  for (const Layer& layer : better.layers()) EXPECT_EQ(layer.changed.size(), 2u);
}

TEST_F(LeastSquaresRepair, ComesNearerToTheChannelsThatAreLeft) {
  const Model pruned = dense_.with_channels(without(all_indices(32), {2, 3, 11, 12, 13, 28}));
  const Model better = repaired(pruned, 0);
  const at::Tensor channels = at::tensor(pruned.channels(), at::kInt);
  const at::Tensor wanted = hidden(dense_).index_select(1, channels);
  const auto error = [&](const Model& model) {
    return ((hidden(model) - wanted).norm() / wanted.norm()).item<double>();
  };
  EXPECT_LT(error(better), 0.8 * error(pruned));
  EXPECT_EQ(better.channels(), pruned.channels());
}

TEST_F(LeastSquaresRepair, TheMatrixBeforeAGapTakesOverWhatTheGapAdded) {
  std::vector<Layer> layers = dense_.layers();
  layers.pop_back();
  const Model pruned = dense_.with_layers(layers);
  EXPECT_LT(error(repaired(pruned, 0)), 0.9 * error(pruned));
}

// Layer 2 without attention: the MLP before it takes over what that attention added, so that the
// MLP behind the gap reads what it should.
TEST_F(LeastSquaresRepair, TheMatrixBeforeAMissingAttentionTakesOverWhatItAdded) {
  std::vector<Layer> layers = dense_.layers();
  layers[2].heads = layers[2].kv_heads = {};
  const Model pruned = dense_.with_layers(layers), better = repaired(pruned, 0);
  EXPECT_LT(error(better), 0.9 * error(pruned));
  // Cut off behind the gap.
  const auto up_to_the_gap = [](const Model& model) {
    std::vector<Layer> some = model.layers();
    some.resize(3);
    some[2].neurons = {};
    return model.with_layers(some);
  };
  const Model dense = std::exchange(dense_, up_to_the_gap(dense_));
  EXPECT_LT(error(up_to_the_gap(better)), 0.9 * error(up_to_the_gap(pruned)));
  dense_ = dense;
}

// The source may be the result of an earlier run: here layer 2 of it has no attention.
TEST_F(LeastSquaresRepair, ADenseLayerWithoutAttentionShowsItsInput) {
  std::vector<Layer> layers = dense_.layers();
  layers[2].heads = layers[2].kv_heads = {};
  dense_ = dense_.with_layers(layers);
  const PackedSamples packed = pack(samples_, /*pinned=*/false);
  DenseStream stream(dense_, dense_, compute_, packed);
  stream.advance_to(2);
  const at::Tensor input_ND = stream.hidden_ND().clone();
  EXPECT_TRUE(at::equal(stream.pass(2), input_ND));
  EXPECT_FALSE(at::equal(stream.hidden_ND(), input_ND)) << "its MLP was passed";

  IndexList many;
  for (int32_t i = 0; i < 30; ++i) many.push_back(i);
  const Model pruned = without_neurons(1, many), better = repaired(pruned, 0);
  EXPECT_LT(error(better), 0.8 * error(pruned));
}

TEST_F(LeastSquaresRepair, ChangesNothingWhereNothingIsMissing) {
  const Model same = repaired(dense_, 0);
  for (const LayerTensor& tensor : dense_.config().family->layer_tensors) {
    if (!tensor.present(dense_.config())) continue;
    const at::Tensor before = stored_tensor(dense_, 2, tensor);
    const double off = (stored_tensor(same, 2, tensor) - before).abs().max().item<double>();
    EXPECT_LT(off, 1e-4 * before.abs().max().item<double>()) << tensor.suffix;
  }
}

TEST_F(LeastSquaresRepair, WantsText) {
  samples_.ids.clear();
  EXPECT_THROW(repaired(dense_, 0), Error);
}

TEST(Repairs, AreKnownByName) {
  EXPECT_EQ(find_repair("least-squares").solve.run, least_squares_repair);
  EXPECT_EQ(find_repair("reconstruction").solve.run, least_squares_repair);
  EXPECT_EQ(find_repair("reconstruction").finish->run, reconstruct_layers);
  EXPECT_THROW(find_repair("prayer"), Error);
}

}  // namespace
}  // namespace mop::testing
