// model/differentiable.cc -- the only file of this folder that uses autograd.
#include "model/differentiable.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/gradient_kernels.h"
#include "model/kernels.h"
#include "tensor/upload.h"

namespace mop {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct RmsNorm : Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_RC,
                            const at::Tensor& weight_C, double eps) {
    context->save_for_backward({x_RC, weight_C});
    context->saved_data["eps"] = eps;
    at::Tensor out_RC = at::empty_like(x_RC);
    rms_norm_out(x_RC, weight_C, eps, out_RC);
    return out_RC;
  }
  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const variable_list saved = context->get_saved_variables();
    const double eps = context->saved_data["eps"].toDouble();
    at::Tensor d_x, d_weight;
    if (context->needs_input_grad(0)) d_x = rms_norm_backward(d_out[0], saved[0], saved[1], eps);
    if (context->needs_input_grad(1)) {
      d_weight = rms_norm_weight_backward(d_out[0], saved[0], saved[1], eps);
    }
    return {d_x, d_weight, {}};
  }
};

struct Rope : Function<Rope> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_NHE,
                            const at::Tensor& cos_NE, const at::Tensor& sin_NE) {
    context->save_for_backward({cos_NE, sin_NE});
    const at::Tensor out_NHE = x_NHE.clone(at::MemoryFormat::Contiguous);
    rope_(out_NHE, cos_NE, sin_NE);
    return out_NHE;
  }
  // The gradient of a rotation is the inverse rotation.
  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor d_x_NHE = d_out[0].clone(at::MemoryFormat::Contiguous);
    rope_(d_x_NHE, saved[0], saved[1].neg());
    return {d_x_NHE, {}, {}};
  }
};

struct SiluMul : Function<SiluMul> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate_NI,
                            const at::Tensor& up_NI) {
    context->save_for_backward({gate_NI, up_NI});
    const at::Tensor out_NI = gate_NI.clone();
    silu_mul_(out_NI, up_NI);
    return out_NI;
  }
  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const variable_list saved = context->get_saved_variables();
    auto [d_gate_NI, d_up_NI] = silu_mul_backward(d_out[0], saved[0], saved[1]);
    return {d_gate_NI, d_up_NI};
  }
};

// Selects the deterministic variants of LibTorch's kernels during its lifetime.
class DeterministicKernels {
 public:
  DeterministicKernels()
      : on_(at::globalContext().deterministicAlgorithms()),
        warn_only_(at::globalContext().deterministicAlgorithmsWarnOnly()),
        fill_(at::globalContext().deterministicFillUninitializedMemory()) {
    at::globalContext().setDeterministicAlgorithms(true, false);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
  }
  ~DeterministicKernels() {
    at::globalContext().setDeterministicAlgorithms(on_, warn_only_);
    at::globalContext().setDeterministicFillUninitializedMemory(fill_);
  }
  DeterministicKernels(const DeterministicKernels&) = delete;
  DeterministicKernels& operator=(const DeterministicKernels&) = delete;

 private:
  bool on_, warn_only_, fill_;
};

// The kernel's results that its gradient needs.
struct FlashResult {
  at::Tensor heads_NHE, log_sum, random_state, unused;
};

std::optional<int64_t> tokens_before(std::optional<int64_t> window) {
  return window ? std::optional(*window - 1) : std::nullopt;
}

FlashResult run_flash(const at::Tensor& query_NHE, const at::Tensor& key_LKE,
                      const at::Tensor& value_LKE, const FlashCall& call) {
  const auto left = tokens_before(call.window);
  const auto right = left ? std::optional<int64_t>(0) : std::nullopt;
  auto [heads_NHE, log_sum, random_state, unused, debug] = at::_flash_attention_forward(
      query_NHE, key_LKE, value_LKE, call.query_ends, call.key_ends, call.longest_query,
      call.longest_key, /*dropout_p=*/0.0, /*is_causal=*/true, /*return_debug_mask=*/false,
      std::optional<double>(), left, right);
  return {heads_NHE, log_sum, random_state, unused};
}

// By default LibTorch's gradient sums the queries' contributions in nondeterministic order.
struct FlashAttention : Function<FlashAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& query_NHE,
                            const at::Tensor& key_LKE, const at::Tensor& value_LKE,
                            const at::Tensor& query_ends, const at::Tensor& key_ends,
                            int64_t longest_query, int64_t longest_key,
                            std::optional<int64_t> window) {
    const FlashResult result = run_flash(
        query_NHE, key_LKE, value_LKE, {query_ends, key_ends, longest_query, longest_key, window});
    context->save_for_backward({query_NHE, key_LKE, value_LKE, result.heads_NHE, result.log_sum,
                                query_ends, key_ends, result.random_state, result.unused});
    context->saved_data["longest_query"] = longest_query;
    context->saved_data["longest_key"] = longest_key;
    context->saved_data["window"] = window;
    return result.heads_NHE;
  }
  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const variable_list saved = context->get_saved_variables();
    const auto left = tokens_before(context->saved_data["window"].toOptional<int64_t>());
    const auto right = left ? std::optional<int64_t>(0) : std::nullopt;
    const DeterministicKernels deterministic;
    auto [d_query, d_key, d_value] = at::_flash_attention_backward(
        d_out[0].contiguous(), saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], saved[6],
        context->saved_data["longest_query"].toInt(), context->saved_data["longest_key"].toInt(),
        /*dropout_p=*/0.0, /*is_causal=*/true, saved[7], saved[8], std::optional<double>(), left,
        right);
    return {d_query, d_key, d_value, {}, {}, {}, {}, {}};
  }
};

// factor * a_MK b_KN. On a device the product applies the factor.
at::Tensor scaled_product(const at::Tensor& a_MK, const at::Tensor& b_KN, double factor) {
  if (a_MK.is_cpu()) return at::mm(a_MK, b_KN).mul_(factor);
  return at::empty({a_MK.size(0), b_KN.size(1)}, a_MK.options())
      .addmm_(a_MK, b_KN, /*beta=*/0, factor);
}

// The backward pass regenerates the dropout mask instead of keeping the dropped input.
struct LowRankLinear : Function<LowRankLinear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_NK,
                            const at::Tensor& weight_OK, const std::optional<at::Tensor>& bias_O,
                            const at::Tensor& a_RK, const at::Tensor& b_OR, double scale,
                            double dropout, int64_t seed, const std::optional<at::Tensor>& keys_N) {
    at::Tensor out_NO =
        bias_O ? at::addmm(*bias_O, x_NK, weight_OK.t()) : at::mm(x_NK, weight_OK.t());
    const at::Tensor keys = dropout > 0 ? upload(*keys_N, x_NK.device()) : at::Tensor();
    const at::Tensor input_NK =
        dropout > 0 ? dropped(x_NK, dropout, static_cast<uint64_t>(seed), keys) : x_NK;
    const at::Tensor low_NR = scaled_product(input_NK, a_RK.t(), scale);
    context->save_for_backward({x_NK, weight_OK, a_RK, b_OR, low_NR});
    context->saved_data["scale"] = scale;
    context->saved_data["dropout"] = dropout;
    context->saved_data["seed"] = seed;
    if (dropout > 0) context->saved_data["keys"] = keys;
    return out_NO.addmm_(low_NR, b_OR.t());
  }
  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x_NK = saved[0], &weight_OK = saved[1], &a_RK = saved[2], &b_OR = saved[3];
    const double dropout = context->saved_data["dropout"].toDouble();
    const auto seed = static_cast<uint64_t>(context->saved_data["seed"].toInt());
    const at::Tensor keys_N = dropout > 0 ? context->saved_data["keys"].toTensor() : at::Tensor();
    const at::Tensor d_out_NO = d_out[0].contiguous();
    const at::Tensor d_low_NR =
        scaled_product(d_out_NO, b_OR, context->saved_data["scale"].toDouble());
    const at::Tensor input_NK = dropout > 0 ? dropped(x_NK, dropout, seed, keys_N) : x_NK;
    variable_list d(9);
    d[3] = at::mm(d_low_NR.t(), input_NK);
    d[4] = at::mm(d_out_NO.t(), saved[4]);
    if (context->needs_input_grad(0)) {
      d[0] = at::mm(d_out_NO, weight_OK);
      if (dropout > 0) {
        d[0].add_(dropped(at::mm(d_low_NR, a_RK), dropout, seed, keys_N));
      } else {
        d[0].addmm_(d_low_NR, a_RK);
      }
    }
    return d;
  }
};

}  // namespace

at::Tensor rms_norm_with_gradient(const at::Tensor& x_RC, const at::Tensor& weight_C, double eps) {
  return RmsNorm::apply(x_RC.contiguous(), weight_C, eps);
}

at::Tensor rope_with_gradient(const at::Tensor& x_NHE, const at::Tensor& cos_NE,
                              const at::Tensor& sin_NE) {
  return Rope::apply(x_NHE, cos_NE, sin_NE);
}

at::Tensor silu_mul_with_gradient(const at::Tensor& gate_NI, const at::Tensor& up_NI) {
  return SiluMul::apply(gate_NI, up_NI);
}

at::Tensor flash_attention(const at::Tensor& query_NHE, const at::Tensor& key_LKE,
                           const at::Tensor& value_LKE, const FlashCall& call) {
  const bool gradient =
      at::GradMode::is_enabled() &&
      (query_NHE.requires_grad() || key_LKE.requires_grad() || value_LKE.requires_grad());
  if (!gradient) return run_flash(query_NHE, key_LKE, value_LKE, call).heads_NHE;
  return FlashAttention::apply(query_NHE, key_LKE, value_LKE, call.query_ends, call.key_ends,
                               call.longest_query, call.longest_key, call.window);
}

at::Tensor low_rank_linear(const at::Tensor& x_NK, const at::Tensor& weight_OK,
                           const at::Tensor& bias_O, const LowRank& low_rank) {
  const auto bias = bias_O.defined() ? std::optional(bias_O) : std::nullopt;
  const auto keys = low_rank.dropout > 0 ? std::optional(low_rank.keys_N) : std::nullopt;
  return LowRankLinear::apply(x_NK, weight_OK, bias, low_rank.a_RK, low_rank.b_OR, low_rank.scale,
                              low_rank.dropout, static_cast<int64_t>(low_rank.seed), keys);
}

}  // namespace mop
