// vision/clip_tower.cc
#include "vision/clip_tower.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/progress.h"
#include "model/activation.h"
#include "tensor/upload.h"
#include "vision/load_tensor.h"

namespace mop {
namespace {

// A linear map or a norm with its bias.
struct Affine {
  at::Tensor weight, bias;
};

// Every tensor of a layer is the weight or the bias of one of these.
constexpr const char* kParts[] = {
    "layer_norm1",        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
    "self_attn.out_proj", "layer_norm2",      "mlp.fc1",          "mlp.fc2"};
enum Part { kNorm1, kQuery, kKey, kValue, kOut, kNorm2, kUp, kDown, kNumParts };

at::Tensor apply(const Affine& map, const at::Tensor& x) {
  return at::linear(x, map.weight, map.bias);
}

}  // namespace

struct ClipTower::Layer {
  std::array<Affine, kNumParts> parts;
  const Affine& operator[](Part part) const { return parts[part]; }
};

ClipTower::ClipTower(std::shared_ptr<const Checkpoint> checkpoint, VisionConfig config,
                     std::vector<int64_t> states)
    : checkpoint_(std::move(checkpoint)), config_(std::move(config)), states_(std::move(states)) {}

ClipTower::Layer ClipTower::load_layer(int64_t index, const Compute& compute) const {
  Layer layer;
  for (int part = 0; part < kNumParts; ++part) {
    const auto name = fmt::format("vision_tower.encoder.layers.{}.{}", index, kParts[part]);
    layer.parts[part] = {load_tensor(*checkpoint_, name + ".weight", compute),
                         load_tensor(*checkpoint_, name + ".bias", compute)};
  }
  return layer;
}

at::Tensor ClipTower::embed(const at::Tensor& pixels_B3HW, const Compute& compute) const {
  const auto load = [&](const char* name) {
    return load_tensor(*checkpoint_, std::string("vision_tower.") + name, compute);
  };
  const int64_t batch = pixels_B3HW.size(0), patch = config_.patch;
  const int64_t side = config_.image / patch, edge = side * patch;
  // Patches do not overlap, so the convolution is a product. Pixels of a part of a patch at the
  // right and below are left out, as a convolution leaves them.
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

at::Tensor ClipTower::attention(const Layer& layer, const at::Tensor& normed_BTD) const {
  const auto heads = [&](Part part) {
    return apply(layer[part], normed_BTD).unflatten(2, {config_.heads, -1}).transpose(1, 2);
  };
  const at::Tensor mixed_BHTE =
      at::scaled_dot_product_attention(heads(kQuery), heads(kKey), heads(kValue));
  return apply(layer[kOut], mixed_BHTE.transpose(1, 2).flatten(2));
}

void ClipTower::run_layer(const Layer& layer, const at::Tensor& hidden_BTD) const {
  const auto norm = [&](Part part) {
    return at::layer_norm(hidden_BTD, {config_.hidden}, layer[part].weight, layer[part].bias,
                          config_.norm_eps);
  };
  const auto activation = find_activation(config_.activation, "hidden_act").apply;
  hidden_BTD.add_(attention(layer, norm(kNorm1)));
  hidden_BTD.add_(apply(layer[kDown], activation(apply(layer[kUp], norm(kNorm2)))));
}

at::Tensor ClipTower::features(const at::Tensor& hidden_BTD, int64_t piece,
                               const Compute& compute) const {
  const int64_t last = *std::ranges::max_element(states_);
  std::vector<at::Tensor> chosen(states_.size());
  for (int64_t state = 0; state <= last; ++state) {
    check_stop();
    if (state > 0) {
      const Layer layer = load_layer(state - 1, compute);
      for (const at::Tensor& part_BTD : hidden_BTD.split(piece)) run_layer(layer, part_BTD);
    }
    for (size_t i = 0; i < states_.size(); ++i) {
      if (states_[i] == state) chosen[i] = state == last ? hidden_BTD : hidden_BTD.clone();
    }
  }
  return chosen.size() == 1 ? chosen.front() : at::cat(chosen, 2);
}

}  // namespace mop
