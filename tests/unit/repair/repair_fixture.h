// tests/unit/repair/repair_fixture.h -- a random model, text, and how far from it another one is.
#pragma once
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "kit/random_model.h"
#include "model/family.h"
#include "model/forward.h"
#include "repair/repair.h"

namespace mop::testing {

// 4 layers, 4 heads of 8 over 2 KV heads, 48 neurons, hidden 32.
class RepairTest : public ::testing::Test {
 protected:
  RepairTest() {
    write_random_model(folder_.path());
    dense_ = Model::open(folder_.path());
    at::manual_seed(5);
    add_samples(24);
  }

  void add_samples(int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const at::Tensor ids = at::randint(1, 60, {40}, at::kLong);
      samples_.ids.emplace_back(ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + 40);
    }
  }

  static IndexList without(IndexList list, const IndexList& gone) {
    std::erase_if(list,
                  [&](int32_t i) { return std::find(gone.begin(), gone.end(), i) != gone.end(); });
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
  at::Tensor run_samples(const Model& model, const ForwardOptions& options) {
    const c10::NoGradGuard no_grad;
    WeightLoader weights(model, compute_);
    std::vector<int64_t> all;
    Packing packing;
    for (const auto& ids : samples_.ids) {
      packing.lengths.push_back(std::ssize(ids));
      all.insert(all.end(), ids.begin(), ids.end());
    }
    return run_layers(weights, at::tensor(all, at::kLong), packing, options);
  }
  at::Tensor hidden(const Model& model) { return run_samples(model, {}); }
  double error(const Model& model) {
    const at::Tensor wanted = hidden(dense_);
    return ((hidden(model) - wanted).norm() / wanted.norm()).item<double>();
  }

  TempFolder folder_;
  Model dense_;
  TokenSamples samples_;
  Compute compute_;
};

}  // namespace mop::testing
