// tests/unit/repair/least_squares_test.cc -- sequential least squares against what it must reach.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "kit/random_model.h"
#include "model/family.h"
#include "model/forward.h"
#include "repair/repair.h"

namespace mop::testing {
namespace {

// 4 layers, 4 heads of 8 over 2 KV heads, 48 neurons, hidden 32.
class LeastSquaresRepair : public ::testing::Test {
 protected:
  LeastSquaresRepair() {
    write_random_model(folder_.path());
    dense_ = Model::open(folder_.path());
    at::manual_seed(5);
    for (int64_t i = 0; i < 24; ++i) {
      const at::Tensor ids = at::randint(1, 60, {40}, at::kLong);
      samples_.ids.emplace_back(ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + 40);
    }
  }

  static IndexList without(IndexList list, const IndexList& gone) {
    std::erase_if(list, [&](int32_t i) { return std::find(gone.begin(), gone.end(), i) != gone.end(); });
    return list;
  }
  Model without_neurons(int64_t layer, const IndexList& gone) const {
    std::vector<Layer> layers = dense_.layers();
    Layer& changed = layers[static_cast<size_t>(layer)];
    changed.neurons = without(changed.neurons, gone);
    if (const auto down = changed.changed.find(Role::kDown); down != changed.changed.end()) {
      throw std::logic_error("down_proj was changed");
    }
    for (const Role role : {Role::kGate, Role::kUp}) {
      const auto value = changed.changed.find(role);
      if (value == changed.changed.end()) continue;
      std::vector<int64_t> kept(changed.neurons.begin(), changed.neurons.end());
      value->second = value->second.index_select(0, at::tensor(kept));
    }
    return dense_.with_layers(layers);
  }
  Model repaired(const Model& pruned, double damping) {
    return least_squares_repair({dense_, pruned, samples_, compute_, {damping}, folder_.path()},
                                silent_progress());
  }
  at::Tensor hidden(const Model& model) {
    const c10::NoGradGuard no_grad;
    WeightLoader weights(model, compute_);
    std::vector<int64_t> all;
    Packing packing;
    for (const auto& ids : samples_.ids) {
      packing.lengths.push_back(std::ssize(ids));
      all.insert(all.end(), ids.begin(), ids.end());
    }
    return run_layers(weights, at::tensor(all, at::kLong), packing);
  }
  double error(const Model& model) {
    const at::Tensor wanted = hidden(dense_);
    return ((hidden(model) - wanted).norm() / wanted.norm()).item<double>();
  }

  TempFolder folder_;
  Model dense_;
  TokenSamples samples_;
  Compute compute_;
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

TEST_F(LeastSquaresRepair, TheMatrixBeforeAGapTakesOverWhatTheGapAdded) {
  std::vector<Layer> layers = dense_.layers();
  layers.pop_back();
  const Model pruned = dense_.with_layers(layers);
  EXPECT_LT(error(repaired(pruned, 0)), 0.9 * error(pruned));
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
  EXPECT_EQ(find_repair("least-squares").run, least_squares_repair);
  EXPECT_THROW(find_repair("prayer"), Error);
}

}  // namespace
}  // namespace mop::testing
