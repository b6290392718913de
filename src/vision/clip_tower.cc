// vision/clip_tower.cc
#include "vision/clip_tower.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/progress.h"
#include "model/activation.h"
#include "model/composite.h"
#include "tensor/upload.h"
#include "vision/load_tensor.h"

namespace mop {
namespace {

// Negative layers in the config count from the end.
std::vector<int64_t> states_of(const Composite& composite) {
  std::vector<int64_t> states = composite.projector.feature_layers;
  for (int64_t& state : states) state += state < 0 ? composite.vision.layers + 1 : 0;
  return states;
}

struct Norm {
  at::Tensor weight, bias;
};

}  // namespace

struct ClipTower::Layer {
  LayerWeights weights;
  Norm norm1, norm2;
};

ClipTower::ClipTower(const Model& model)
    : model_(model.with_input_rows(at::Tensor())),
      tower_(*model.tower()),
      config_(model.config().composite->vision),
      states_(states_of(*model.config().composite)) {}

LayerWeights ClipTower::weights(int64_t layer, const Compute& compute) const {
  LayerWeights weights;
  for (const LayerTensor& tensor : tower_family().layer_tensors) {
    weights[tensor.role] =
        stored_tensor(tower_, layer, tensor).to(at::device(compute.device).dtype(compute.dtype));
  }
  return weights;
}

ClipTower::Layer ClipTower::load_layer(int64_t index, const Compute& compute,
                                       const LayerWeights* instead) const {
  const auto norm = [&](const char* which) {
    const auto name = fmt::format("vision_tower.encoder.layers.{}.layer_norm{}", index, which);
    return Norm{load_tensor(model_.checkpoint(), name + ".weight", compute),
                load_tensor(model_.checkpoint(), name + ".bias", compute)};
  };
  return {instead != nullptr ? *instead : weights(index, compute), norm("1"), norm("2")};
}

at::Tensor ClipTower::embed(const at::Tensor& pixels_B3HW, const Compute& compute) const {
  const auto load = [&](const char* name) {
    return load_tensor(model_.checkpoint(), std::string("vision_tower.") + name, compute);
  };
  const int64_t batch = pixels_B3HW.size(0), patch = config_.patch;
  const int64_t side = config_.image / patch, edge = side * patch;
  // Patches do not overlap, so the convolution is a matrix product. Incomplete patches at the right
  // and bottom edges are omitted, as in the convolution.
  const at::Tensor patches_BPK = pixels_B3HW.narrow(2, 0, edge)
                                     .narrow(3, 0, edge)
                                     .reshape({batch, 3, side, patch, side, patch})
                                     .permute({0, 2, 4, 1, 3, 5})
                                     .reshape({batch, side * side, 3 * patch * patch});
  const at::Tensor weight_DK = load("embeddings.patch_embedding.weight").flatten(1);
  const at::Tensor embedded_BPD =
      at::linear(upload(patches_BPK, compute.device).to(compute.dtype), weight_DK);
  const at::Tensor class_B1D =
      load("embeddings.class_embedding").expand({batch, 1, config_.hidden});
  const at::Tensor hidden_BTD =
      at::cat({class_B1D, embedded_BPD}, 1).add_(load("embeddings.position_embedding.weight"));
  return at::layer_norm(hidden_BTD, {config_.hidden}, load("pre_layrnorm.weight"),
                        load("pre_layrnorm.bias"), config_.norm_eps);
}

void ClipTower::run_layer(const Layer& layer, const at::Tensor& hidden_BTD, int64_t index,
                          const TowerPass& pass) const {
  const LayerWeights& w = layer.weights;
  const int64_t head_dim = config_.shapes[static_cast<size_t>(index)].head_dim;
  const LayerMask* mask = pass.mask ? pass.mask(index) : nullptr;
  const auto look = [&](Site site, const at::Tensor& value_BTX) {
    if (pass.tap) pass.tap(index, site, value_BTX.flatten(0, 1));
  };
  const auto normed = [&](const Norm& norm) {
    return at::layer_norm(hidden_BTD, {config_.hidden}, norm.weight, norm.bias, config_.norm_eps);
  };

  look(Site::kLayerInput, hidden_BTD);
  const at::Tensor attended_BTD = normed(layer.norm1);
  const auto heads = [&](Role weight, Role bias) {
    return at::linear(attended_BTD, w[weight], w[bias])
        .unflatten(2, {-1, head_dim})
        .transpose(1, 2);
  };
  const at::Tensor mixed_BHTE = at::scaled_dot_product_attention(
      heads(Role::kQuery, Role::kQueryBias), heads(Role::kKey, Role::kKeyBias),
      heads(Role::kValue, Role::kValueBias));
  at::Tensor heads_BTHE = mixed_BHTE.transpose(1, 2);
  if (mask != nullptr && mask->heads_H.defined())
    heads_BTHE = heads_BTHE * mask->heads_H.unsqueeze(1);
  const at::Tensor heads_BTQ = heads_BTHE.flatten(2);
  look(Site::kHeadOutput, heads_BTQ);
  hidden_BTD.add_(at::linear(heads_BTQ, w[Role::kOutput], w[Role::kOutputBias]));

  const auto activation = find_activation(config_.activation, "hidden_act").apply;
  at::Tensor neurons_BTI =
      activation(at::linear(normed(layer.norm2), w[Role::kUp], w[Role::kUpBias]));
  if (mask != nullptr && mask->neurons_I.defined()) neurons_BTI = neurons_BTI * mask->neurons_I;
  look(Site::kNeuron, neurons_BTI);
  hidden_BTD.add_(at::linear(neurons_BTI, w[Role::kDown], w[Role::kDownBias]));
  look(Site::kLayerOutput, hidden_BTD);
}

void ClipTower::advance(int64_t layer, const at::Tensor& hidden_BTD, int64_t piece,
                        const Compute& compute) const {
  const Layer loaded = load_layer(layer, compute, nullptr);
  for (const at::Tensor& part_BTD : hidden_BTD.split(piece)) run_layer(loaded, part_BTD, layer, {});
}

at::Tensor ClipTower::features(const at::Tensor& hidden_BTD, int64_t piece, const Compute& compute,
                               const TowerPass& pass) const {
  const int64_t last = *std::ranges::max_element(states_);
  std::vector<at::Tensor> chosen(states_.size());
  for (int64_t state = pass.first; state <= last; ++state) {
    check_stop();
    if (const int64_t index = state - 1; state > pass.first) {
      const LayerWeights* instead = pass.weights ? pass.weights(index) : nullptr;
      const Layer layer = load_layer(index, compute, instead);
      for (const at::Tensor& part_BTD : hidden_BTD.split(piece))
        run_layer(layer, part_BTD, index, pass);
    }
    for (size_t i = 0; i < states_.size(); ++i) {
      if (states_[i] == state) chosen[i] = state == last ? hidden_BTD : hidden_BTD.clone();
    }
  }
  return chosen.size() == 1 ? chosen.front() : at::cat(chosen, 2);
}

}  // namespace mop
