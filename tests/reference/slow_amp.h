// tests/reference/slow_amp.h -- activation magnitude (arXiv 2504.21174) written down as it is read:
// one prompt at a time, one head at a time, every tensor whole, in float64. To be read, and
// compared with.
#pragma once
#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "model/config.h"
#include "reference/slow_surgery.h"

namespace mop::testing {

/// Scores of one layer before grouping: mean over prompts of the mean over tokens.
struct SlowAmp {
  at::Tensor heads_H, neurons_I;
};

namespace slow {

inline at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return x / (x * x).mean(-1, true).add(eps).sqrt() * weight;
}

inline at::Tensor linear(const Tensors& tensors, const std::string& name, const at::Tensor& x_TD) {
  const at::Tensor y = x_TD.matmul(tensors.at(name + ".weight").t());
  return tensors.contains(name + ".bias") ? y + tensors.at(name + ".bias") : y;
}

// Rotates pairs (i, i + E/2) of each head by position * theta^(-2i/E).
inline at::Tensor rotate(const at::Tensor& x_THE, double theta) {
  const int64_t tokens = x_THE.size(0), half = x_THE.size(2) / 2;
  at::Tensor y = x_THE.clone();
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(t) *
                           std::pow(theta, -static_cast<double>(i) / static_cast<double>(half));
      const at::Tensor a = x_THE.select(0, t).select(1, i),
                       b = x_THE.select(0, t).select(1, i + half);
      y.select(0, t).select(1, i).copy_(a * std::cos(angle) - b * std::sin(angle));
      y.select(0, t).select(1, i + half).copy_(b * std::cos(angle) + a * std::sin(angle));
    }
  }
  return y;
}

// Heads of a projection, normed where the family does so, [T, heads, E].
inline at::Tensor heads(const Tensors& tensors, const std::string& attention, const char* which,
                        const at::Tensor& x_TD, int64_t head_dim, double eps) {
  const at::Tensor y =
      linear(tensors, attention + which + "_proj", x_TD).view({x_TD.size(0), -1, head_dim});
  const std::string norm = attention + which + "_norm.weight";
  return tensors.contains(norm) ? rms_norm(y, tensors.at(norm), eps) : y;
}

// What enters o_proj: causal attention, one query head after the other.
inline at::Tensor attend(const at::Tensor& q_THE, const at::Tensor& k_TKE,
                         const at::Tensor& v_TKE) {
  const int64_t tokens = q_THE.size(0), group = q_THE.size(1) / k_TKE.size(1);
  const at::Tensor future_TT = at::ones({tokens, tokens}).triu(1).to(at::kBool);
  std::vector<at::Tensor> outputs;
  for (int64_t h = 0; h < q_THE.size(1); ++h) {
    const at::Tensor k = k_TKE.select(1, h / group), v = v_TKE.select(1, h / group);
    const at::Tensor weights = q_THE.select(1, h).matmul(k.t()) / std::sqrt(q_THE.size(2));
    outputs.push_back(weights.masked_fill(future_TT, -INFINITY).softmax(-1).matmul(v));
  }
  return at::cat(outputs, 1);
}

inline std::string layer_prefix(int64_t index) {
  return "model.layers." + std::to_string(index) + ".";
}

// What enters o_proj of a layer, [T, heads * E].
inline at::Tensor into_output(const Tensors& tensors, const ModelConfig& config, int64_t index,
                              const at::Tensor& x_TD) {
  const std::string prefix = layer_prefix(index), attention = prefix + "self_attn.";
  const int64_t E = config.layers[static_cast<size_t>(index)].head_dim;
  const at::Tensor normed =
      rms_norm(x_TD, tensors.at(prefix + "input_layernorm.weight"), config.norm_eps);
  const at::Tensor q =
      rotate(heads(tensors, attention, "q", normed, E, config.norm_eps), config.rope.theta);
  const at::Tensor k =
      rotate(heads(tensors, attention, "k", normed, E, config.norm_eps), config.rope.theta);
  const at::Tensor v = linear(tensors, attention + "v_proj", normed).view({x_TD.size(0), -1, E});
  return attend(q, k, v);
}

// What enters down_proj of a layer, [T, neurons].
inline at::Tensor into_down(const Tensors& tensors, const ModelConfig& config, int64_t index,
                            const at::Tensor& x_TD) {
  const std::string prefix = layer_prefix(index);
  const at::Tensor normed =
      rms_norm(x_TD, tensors.at(prefix + "post_attention_layernorm.weight"), config.norm_eps);
  return at::silu(linear(tensors, prefix + "mlp.gate_proj", normed)) *
         linear(tensors, prefix + "mlp.up_proj", normed);
}

// One layer over one prompt; adds what AMP sees to `scores`.
inline at::Tensor layer(const Tensors& tensors, const ModelConfig& config, int64_t index,
                        at::Tensor x_TD, SlowAmp& scores) {
  const LayerShape& shape = config.layers[static_cast<size_t>(index)];
  const std::string prefix = layer_prefix(index);
  const int64_t E = shape.head_dim;
  const at::Tensor into_output_TQ = into_output(tensors, config, index, x_TD);
  const at::Tensor output_DQ = tensors.at(prefix + "self_attn.o_proj.weight");
  for (int64_t h = 0; h < shape.heads; ++h) {
    const at::Tensor sent_TD =
        into_output_TQ.narrow(1, h * E, E).matmul(output_DQ.narrow(1, h * E, E).t());
    scores.heads_H[h] += sent_TD.abs().sum(1).mean();
  }
  x_TD = x_TD + linear(tensors, prefix + "self_attn.o_proj", into_output_TQ);
  const at::Tensor neurons_TI = into_down(tensors, config, index, x_TD);
  scores.neurons_I += neurons_TI.abs().mean(0);
  return x_TD + linear(tensors, prefix + "mlp.down_proj", neurons_TI);
}

}  // namespace slow

/// Both statistics of every layer of a dense checkpoint.
inline std::vector<SlowAmp> slow_amp(const Checkpoint& checkpoint, const ModelConfig& config,
                                     const std::vector<std::vector<int64_t>>& prompts) {
  Tensors tensors = all_tensors(checkpoint);
  for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kDouble);
  std::vector<SlowAmp> scores;
  for (const LayerShape& shape : config.layers) {
    scores.push_back({at::zeros({shape.heads}, at::kDouble), at::zeros({shape.mlp}, at::kDouble)});
  }
  for (const auto& ids : prompts) {
    at::Tensor x_TD =
        tensors.at("model.embed_tokens.weight").index_select(0, at::tensor(ids, at::kLong));
    for (size_t i = 0; i < scores.size(); ++i) {
      x_TD = slow::layer(tensors, config, static_cast<int64_t>(i), x_TD, scores[i]);
    }
  }
  for (SlowAmp& layer : scores) {
    layer.heads_H /= static_cast<double>(prompts.size());
    layer.neurons_I /= static_cast<double>(prompts.size());
  }
  return scores;
}

}  // namespace mop::testing
