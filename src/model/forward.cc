// model/forward.cc -- the decoder layer. One code path for both modes: with gradients each step
// creates a new tensor, without them the layer works in the workspace and in the hidden states.
#include "model/forward.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "model/attention.h"
#include "model/differentiable.h"
#include "model/kernels.h"
#include "model/workspace.h"
#include "tensor/cuda_kernels.h"
#include "tensor/row_product.h"
#include "tensor/upload.h"

namespace mop {
namespace {

bool wants_gradient(const LayerWeights& weights, const at::Tensor& hidden_ND,
                    const LayerMask* mask) {
  if (!at::GradMode::is_enabled()) return false;
  const auto wants = [](const at::Tensor& t) { return t.defined() && t.requires_grad(); };
  if (wants(hidden_ND) || std::any_of(weights.tensors.begin(), weights.tensors.end(), wants))
    return true;
  for (const auto& [role, addition] : weights.low_rank) {
    if (wants(addition.a_RK) || wants(addition.b_OR)) return true;
  }
  if (mask == nullptr) return false;
  const auto parts = {mask->heads_H, mask->neurons_I, mask->attention,
                      mask->mlp,     mask->layer,     mask->hidden_D};
  return std::any_of(parts.begin(), parts.end(), wants);
}

// State of one call of the layer, shared by its steps.
class LayerRun {
 public:
  LayerRun(const LayerWeights& weights, const LayerCall& call, Workspace& workspace, bool gradient)
      : weights_(weights),
        call_(call),
        shape_(call.config.layers[static_cast<size_t>(call.layer)]),
        workspace_(workspace),
        gradient_(gradient) {}

  at::Tensor run(at::Tensor hidden_ND) {
    if (mask().hidden_D.defined()) hidden_ND = times(hidden_ND, mask().hidden_D);
    tap(Site::kLayerInput, hidden_ND);
    const at::Tensor gate = mask().layer;
    const at::Tensor input_ND = gate.defined() && !gradient_ ? hidden_ND.clone() : hidden_ND;
    if (shape_.heads > 0) hidden_ND = attention_half(hidden_ND);
    if (shape_.mlp > 0) hidden_ND = mlp_half(hidden_ND);
    if (gate.defined()) {
      const at::Tensor gated_ND = input_ND + (hidden_ND - input_ND) * typed(gate, hidden_ND);
      hidden_ND = gradient_ ? gated_ND : hidden_ND.copy_(gated_ND);
    }
    tap(Site::kLayerOutput, hidden_ND);
    return hidden_ND;
  }

 private:
  at::Tensor attention_half(const at::Tensor& hidden_ND) {
    const at::Tensor normed_ND = norm(hidden_ND, Role::kInputNorm);
    tap(Site::kAttentionInput, normed_ND);
    const std::vector<at::Tensor> qkv =
        project(normed_ND, {{Role::kQuery, Role::kQueryBias, Buffer::kQueryOrGate},
                            {Role::kKey, Role::kKeyBias, Buffer::kKeyOrUp},
                            {Role::kValue, Role::kValueBias, Buffer::kValue}});
    const auto [query_NHE, key_NKE] = with_positions(qkv[0], qkv[1]);
    const at::Tensor value_NKE = by_head(qkv[2]);
    at::Tensor heads_NQ = attend(query_NHE, key_NKE, value_NKE, attention_call());
    if (mask().heads_H.defined()) {
      heads_NQ = times(by_head(heads_NQ), mask().heads_H.unsqueeze(1)).flatten(1);
    }
    tap(Site::kHeadOutput, heads_NQ);
    const at::Tensor sum_ND = add_product(hidden_ND, heads_NQ, Role::kOutput, Role::kOutputBias,
                                          factor_of(mask().attention));
    tap(Site::kAttentionOutput, sum_ND);
    return sum_ND;
  }

  at::Tensor mlp_half(const at::Tensor& hidden_ND) {
    const at::Tensor normed_ND = norm(hidden_ND, Role::kMlpNorm);
    tap(Site::kMlpInput, normed_ND);
    at::Tensor neurons_NI = neurons(normed_ND);
    if (mask().neurons_I.defined()) neurons_NI = times(neurons_NI, mask().neurons_I);
    tap(Site::kNeuron, neurons_NI);
    return add_product(hidden_ND, neurons_NI, Role::kDown, Role::kDownBias, factor_of(mask().mlp));
  }

  // Returns the input of the down projection: [N, I].
  at::Tensor neurons(const at::Tensor& x_ND) {
    const bool alone = !gradient_ && !low_rank(Role::kGate) && !low_rank(Role::kUp);
    if (alone && x_ND.is_cuda() && cuda::rows_fit(x_ND, weights_[Role::kGate])) {
      at::Tensor out_NI = at::empty({x_ND.size(0), weights_[Role::kGate].size(0)}, x_ND.options());
      const cuda::RowWork gate{weights_[Role::kGate], weights_[Role::kGateBias], {}, out_NI},
          up{weights_[Role::kUp], weights_[Role::kUpBias], {}, {}};
      if (cuda::gate_up_product(x_ND, gate, up)) return out_NI;
    }
    const std::vector<at::Tensor> gate_up =
        project(x_ND, {{Role::kGate, Role::kGateBias, Buffer::kQueryOrGate},
                       {Role::kUp, Role::kUpBias, Buffer::kKeyOrUp}});
    if (gradient_) return silu_mul_with_gradient(gate_up[0], gate_up[1]);
    silu_mul_(gate_up[0], gate_up[1]);
    return gate_up[0];
  }

  AttentionCall attention_call() const {
    const ModelConfig& config = call_.config;
    const bool windowed = config.sliding_window && !config.windowed.empty() &&
                          config.windowed[static_cast<size_t>(call_.layer)];
    return {.packing = call_.packing,
            .window = windowed ? config.sliding_window : std::nullopt,
            .cache = call_.cache == nullptr ? nullptr : &call_.cache->state(),
            .layer = call_.layer,
            .first_sequence = call_.first_sequence,
            .reuse_query = !gradient_,
            .packed = call_.packed};
  }

  at::Tensor norm(const at::Tensor& x_ND, Role role) {
    if (gradient_) return rms_norm_with_gradient(x_ND, weights_[role], call_.config.norm_eps);
    at::Tensor out_ND = workspace_.take(Buffer::kNormed, x_ND.size(0), x_ND.size(1), x_ND);
    rms_norm_out(x_ND, weights_[role], call_.config.norm_eps, out_ND);
    return out_ND;
  }

  // A weight, its bias, and the buffer of the product.
  struct Projection {
    Role role, bias_role;
    Buffer buffer;
  };

  // For few rows all weights are multiplied in one parallel call, since starting the threads costs
  // as much as the work.
  std::vector<at::Tensor> project(const at::Tensor& x_NK, std::initializer_list<Projection> parts) {
    std::vector<at::Tensor> results;
    std::vector<RowFactor> factors;
    for (const Projection& part : parts) {
      if (gradient_ || low_rank(part.role) || !row_product_fits(x_NK, weights_[part.role])) break;
      factors.push_back({weights_[part.role], weights_[part.bias_role]});
    }
    if (factors.size() == parts.size()) return row_products(x_NK, factors);
    for (const Projection& part : parts) results.push_back(project_one(x_NK, part));
    return results;
  }

  at::Tensor project_one(const at::Tensor& x_NK, const Projection& part) {
    const auto [role, bias_role, buffer] = part;
    const at::Tensor& weight_OK = weights_[role];
    const at::Tensor& bias_O = weights_[bias_role];
    if (const LowRank* addition = low_rank(role)) {
      return low_rank_linear(x_NK, weight_OK, bias_O, *addition);
    }
    if (gradient_) return at::linear(x_NK, weight_OK, optional(bias_O));
    if (row_product_fits(x_NK, weight_OK)) return row_product(x_NK, weight_OK, bias_O);
    at::Tensor out_NO = workspace_.take(buffer, x_NK.size(0), weight_OK.size(0), x_NK);
    if (bias_O.defined()) {
      at::addmm_out(out_NO, bias_O, x_NK, weight_OK.t());
    } else {
      at::mm_out(out_NO, x_NK, weight_OK.t());
    }
    return out_NO;
  }

  // Returns hidden + factor * (x W^T + b), in hidden's memory if there is no gradient.
  at::Tensor add_product(at::Tensor hidden_ND, const at::Tensor& x_NK, Role role, Role bias_role,
                         const at::Tensor& factor) {
    const at::Tensor& weight_DK = weights_[role];
    const at::Tensor& bias_D = weights_[bias_role];
    const LowRank* addition = low_rank(role);
    if (!gradient_ && addition == nullptr && !factor.defined() && x_NK.is_cuda()) {
      const cuda::RowWork work{weight_DK, bias_D, hidden_ND, hidden_ND};
      if (cuda::row_products(x_NK, {&work, 1})) return hidden_ND;
    }
    if (!gradient_ && addition == nullptr && !factor.defined() &&
        !row_product_fits(x_NK, weight_DK)) {
      if (bias_D.defined()) hidden_ND.add_(bias_D);
      return hidden_ND.addmm_(x_NK, weight_DK.t());
    }
    at::Tensor delta_ND = addition != nullptr ? low_rank_linear(x_NK, weight_DK, bias_D, *addition)
                          : row_product_fits(x_NK, weight_DK)
                              ? row_product(x_NK, weight_DK, bias_D)
                              : at::linear(x_NK, weight_DK, optional(bias_D));
    if (factor.defined()) delta_ND = delta_ND * typed(factor, delta_ND);
    return gradient_ ? hidden_ND + delta_ND : hidden_ND.add_(delta_ND);
  }

  // Splits queries and keys [N, heads * E] into [N, heads, E] and applies rotary positions.
  std::pair<at::Tensor, at::Tensor> with_positions(const at::Tensor& query_NQ,
                                                   const at::Tensor& key_NQ) {
    const at::Tensor query_NHE = normed_heads(query_NQ, Role::kQueryNorm);
    const at::Tensor key_NKE = normed_heads(key_NQ, Role::kKeyNorm);
    if (gradient_) {
      return {rope_with_gradient(query_NHE, call_.cos_NE, call_.sin_NE),
              rope_with_gradient(key_NKE, call_.cos_NE, call_.sin_NE)};
    }
    rope_(query_NHE, key_NKE, call_.cos_NE, call_.sin_NE);
    return {query_NHE, key_NKE};
  }

  // [N, heads * E] -> [N, heads, E], with per-head norms if the family has them.
  at::Tensor normed_heads(const at::Tensor& x_NQ, Role norm_role) {
    at::Tensor x_NHE = by_head(x_NQ);
    const at::Tensor& weight_E = weights_[norm_role];
    if (!weight_E.defined()) return x_NHE;
    if (gradient_) return rms_norm_with_gradient(x_NHE, weight_E, call_.config.norm_eps);
    rms_norm_out(x_NHE, weight_E, call_.config.norm_eps, x_NHE);
    return x_NHE;
  }

  const LowRank* low_rank(Role role) const {
    const auto found = weights_.low_rank.find(role);
    return found == weights_.low_rank.end() ? nullptr : &found->second;
  }

  at::Tensor by_head(const at::Tensor& x_NQ) const {
    return x_NQ.view({x_NQ.size(0), -1, shape_.head_dim});
  }

  at::Tensor times(const at::Tensor& x, const at::Tensor& factor) const {
    return gradient_ ? x * typed(factor, x) : x.mul(typed(factor, x));
  }

  static at::Tensor typed(const at::Tensor& factor, const at::Tensor& like) {
    return factor.to(like.device(), like.scalar_type());
  }
  static std::optional<at::Tensor> optional(const at::Tensor& bias) {
    return bias.defined() ? std::optional(bias) : std::nullopt;
  }

  // The factor of a half's addition: the half's gate, the channels' mask or both.
  at::Tensor factor_of(const at::Tensor& half) const {
    const at::Tensor& hidden_D = mask().hidden_D;
    return half.defined() && hidden_D.defined() ? half * hidden_D
           : hidden_D.defined()                 ? hidden_D
                                                : half;
  }

  const LayerMask& mask() const {
    static const LayerMask kNothing;
    return call_.mask == nullptr ? kNothing : *call_.mask;
  }

  void tap(Site site, const at::Tensor& value) const {
    if (call_.tap != nullptr && *call_.tap) (*call_.tap)(site, value);
  }

  const LayerWeights& weights_;
  const LayerCall& call_;
  const LayerShape shape_;
  Workspace& workspace_;
  const bool gradient_;
};

}  // namespace

int64_t Packing::tokens() const {
  int64_t sum = 0;
  for (const int64_t length : lengths) sum += length;
  return sum;
}

at::Tensor decoder_layer(const LayerWeights& weights, at::Tensor hidden_ND, const LayerCall& call) {
  const bool gradient = wants_gradient(weights, hidden_ND, call.mask);
  if (gradient && call.cache != nullptr) {
    throw internal_error("gradients are not supported with a KV cache");
  }
  // Gradients are enabled but not required: the caller's tensor must not be overwritten.
  if (!gradient && at::GradMode::is_enabled()) hidden_ND = hidden_ND.clone();
  Workspace own;
  return LayerRun(weights, call, call.workspace == nullptr ? own : *call.workspace, gradient)
      .run(std::move(hidden_ND));
}

namespace {

// Embeddings of the tokens, with input rows for ids at or above the vocabulary size. The rows stay
// on the CPU, since there are many and few are needed at a time.
at::Tensor embed_with_rows(const GlobalWeights& globals, const at::Tensor& ids_N,
                           const Compute& compute) {
  const at::Tensor& table_VD = globals.embedding_VD;
  const int64_t vocab = table_VD.size(0);
  const at::Tensor words_N = upload(ids_N.clamp_max(vocab - 1), table_VD.device());
  const at::Tensor hidden_ND = table_VD.index_select(0, words_N).to(compute.device, compute.dtype);
  const at::Tensor places_P = ids_N.ge(vocab).nonzero().squeeze(1);
  if (places_P.numel() == 0) return hidden_ND;
  const at::Tensor rows_PD =
      globals.rows_PD.index_select(0, ids_N.index_select(0, places_P) - vocab).to(compute.dtype);
  return hidden_ND.index_copy(0, places_P.to(compute.device), rows_PD.to(compute.device));
}

}  // namespace

at::Tensor embed(const GlobalWeights& globals, const at::Tensor& ids_N, const Compute& compute) {
  const at::Tensor& table_VD = globals.embedding_VD;
  const bool has_rows = globals.rows_PD.defined();
  if (!ids_N.is_cpu()) {
    if (has_rows) return embed(globals, ids_N.cpu(), compute);
    return table_VD.index_select(0, ids_N).to(compute.device, compute.dtype);
  }
  const int64_t vocab = table_VD.size(0) + (has_rows ? globals.rows_PD.size(0) : 0);
  const at::Tensor bad_N = ids_N.lt(0).logical_or(ids_N.ge(vocab));
  if (bad_N.any().item<bool>()) {
    throw bad_input("token id {} is outside the model's vocabulary of {}",
                    ids_N.masked_select(bad_N)[0].item<int64_t>(), vocab)
        .hint("the tokenizer belongs to another model");
  }
  if (has_rows) return embed_with_rows(globals, ids_N, compute);
  return table_VD.index_select(0, upload(ids_N, table_VD.device()))
      .to(compute.device, compute.dtype);
}

at::Tensor logits(const GlobalWeights& globals, const ModelConfig& config,
                  const at::Tensor& hidden_ND) {
  const bool gradient =
      at::GradMode::is_enabled() && (hidden_ND.requires_grad() || globals.head_VD.requires_grad() ||
                                     globals.final_norm_D.requires_grad());
  if (gradient) {
    return at::linear(rms_norm(hidden_ND, globals.final_norm_D, config.norm_eps), globals.head_VD);
  }
  at::Tensor normed_ND = at::empty_like(hidden_ND);
  rms_norm_out(hidden_ND, globals.final_norm_D, config.norm_eps, normed_ND);
  if (row_product_fits(normed_ND, globals.head_VD)) return row_product(normed_ND, globals.head_VD);
  return at::linear(normed_ND, globals.head_VD);
}

}  // namespace mop
