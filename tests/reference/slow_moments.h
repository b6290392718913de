// tests/reference/slow_moments.h -- second moments of half layers written down as they are defined:
// the whole model in float64, one prompt at a time, gradients by LibTorch's autograd. To be read,
// and compared with.
#pragma once
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>
#include <utility>
#include <vector>

#include "model/weights.h"
#include "reference/slow_amp.h"

namespace mop::testing {

struct SlowMoments {
  at::Tensor gram_KK, gradients_DD;
  at::Tensor next_DK, next_DD;  // of what the next half adds; undefined for the last
};
using SlowMomentsOfHalves = std::map<std::pair<int64_t, Half>, SlowMoments>;

namespace slow {

// The tensors of a view of a checkpoint, named by the view's own layers.
inline Tensors tensors_of(const Model& model) {
  const ModelConfig& config = model.config();
  Tensors tensors;
  for (const GlobalTensor* tensor : global_tensors(config)) {
    tensors[std::string(tensor->name)] = stored_global(model, *tensor).to(at::kDouble);
  }
  for (int64_t i = 0; i < model.num_layers(); ++i) {
    for (const LayerTensor* tensor :
         tensors_of_layer(config, config.layers[static_cast<size_t>(i)])) {
      tensors[tensor_name(*config.family, i, *tensor)] =
          stored_tensor(model, i, *tensor).to(at::kDouble);
    }
  }
  return tensors;
}

// One half layer of one prompt: what enters its last projection, and the stream behind it.
struct HalfTape {
  std::pair<int64_t, Half> half;
  at::Tensor input_TK, behind_TD;
};

inline at::Tensor record(const Tensors& tensors, const ModelConfig& config, int64_t index,
                         at::Tensor x_TD, std::vector<HalfTape>& tapes) {
  const LayerShape& shape = config.layers[static_cast<size_t>(index)];
  const auto add = [&](Half half, const std::string& projection, const at::Tensor& input_TK) {
    x_TD = x_TD + linear(tensors, layer_prefix(index) + projection, input_TK);
    tapes.push_back({{index, half}, input_TK.detach(), x_TD});
  };
  if (shape.heads > 0) {
    add(Half::kAttention, "self_attn.o_proj", into_output(tensors, config, index, x_TD));
  }
  if (shape.mlp > 0) add(Half::kMlp, "mlp.down_proj", into_down(tensors, config, index, x_TD));
  return x_TD;
}

}  // namespace slow

inline SlowMomentsOfHalves slow_moments(const Model& model,
                                        const std::vector<std::vector<int64_t>>& prompts) {
  const ModelConfig& config = model.config();
  const Tensors tensors = slow::tensors_of(model);
  const at::Tensor embedding_VD = tensors.at("model.embed_tokens.weight");
  const auto head = tensors.find("lm_head.weight");
  SlowMomentsOfHalves sums;
  int64_t tokens = 0;
  for (const auto& prompt : prompts) {
    const at::Tensor ids_T = at::tensor(prompt, at::kLong);
    const int64_t length = ids_T.size(0);
    std::vector<slow::HalfTape> tapes;
    at::Tensor x_TD = embedding_VD.index_select(0, ids_T).requires_grad_();
    for (int64_t i = 0; i < model.num_layers(); ++i) {
      x_TD = slow::record(tensors, config, i, x_TD, tapes);
    }
    const at::Tensor logits_TV =
        slow::rms_norm(x_TD, tensors.at("model.norm.weight"), config.norm_eps)
            .matmul((head == tensors.end() ? embedding_VD : head->second).t());
    const at::Tensor loss =
        at::cross_entropy_loss(logits_TV.narrow(0, 0, length - 1), ids_T.narrow(0, 1, length - 1),
                               /*weight=*/{}, at::Reduction::Sum);
    std::vector<at::Tensor> behind;
    for (const slow::HalfTape& tape : tapes) behind.push_back(tape.behind_TD);
    const auto gradients = torch::autograd::grad({loss}, behind);
    for (size_t i = 0; i < tapes.size(); ++i) {
      const auto add = [](at::Tensor& sum, const at::Tensor& x, const at::Tensor& y) {
        sum = sum.defined() ? sum + x.t().matmul(y) : x.t().matmul(y);
      };
      SlowMoments& of_half = sums[tapes[i].half];
      add(of_half.gram_KK, tapes[i].input_TK, tapes[i].input_TK);
      add(of_half.gradients_DD, gradients[i], gradients[i]);
      if (i + 1 == tapes.size()) continue;
      const at::Tensor added_TD = (tapes[i + 1].behind_TD - tapes[i].behind_TD).detach();
      add(of_half.next_DK, added_TD, tapes[i].input_TK);
      add(of_half.next_DD, added_TD, added_TD);
    }
    tokens += length;
  }
  for (auto& [half, moments] : sums) {
    moments.gram_KK /= tokens;
    moments.gradients_DD /= tokens;
    if (!moments.next_DK.defined()) continue;
    moments.next_DK /= tokens;
    moments.next_DD /= tokens;
  }
  return sums;
}

}  // namespace mop::testing
