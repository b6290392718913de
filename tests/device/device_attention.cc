// device/device_attention.cc -- as a GPU's fused kernels do it: nothing of the size [T, L] is left
// on the device. B sequences, H query heads, K key heads, T queries, L keys, E head size.
#include "device/device_attention.h"

#include <ATen/ATen.h>
#include <ATen/SDPBackend.h>
#include <ATen/native/transformers/attention.h>

#include <cmath>

#include "device/device_state.h"

namespace mop::testing::opaque {
namespace {

using at::Tensor;

int64_t choose(const Tensor& query, const Tensor& key, const Tensor& value,
               const std::optional<Tensor>& mask, double dropout, bool causal,
               std::optional<double> scale, bool grouped) {
  return static_cast<int64_t>(query.dim() == 4 && dropout == 0 ? at::SDPBackend::overrideable
                                                               : at::SDPBackend::math);
}

void check(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask) {
  for (const Tensor* tensor : {&query, &key, &value, &mask}) {
    TORCH_CHECK(!tensor->defined() || !tensor->is_cpu(),
                "attention: Expected all tensors to be on the same device");
  }
}

// [B, T, H, E] in memory, seen as [B, H, T, E]: what a GPU's kernels leave.
Tensor empty_like_query(const Tensor& query, int64_t heads, int64_t size) {
  return at::empty({query.size(0), query.size(2), heads, size}, query.options()).transpose(1, 2);
}

using Outputs =
    std::tuple<Tensor, Tensor, Tensor, Tensor, c10::SymInt, c10::SymInt, Tensor, Tensor, Tensor>;

Outputs attend(const Tensor& query, const Tensor& key, const Tensor& value,
               const std::optional<Tensor>& mask, double dropout, bool causal, bool,
               std::optional<double> scale) {
  const Tensor bias = mask.value_or(Tensor());
  check(query, key, value, bias);
  count_operation("attention");
  const Tensor out = empty_like_query(query, query.size(1), value.size(3));
  {
    const Operation operation("attention", {query, key, value, bias}, {out});
    std::optional<Tensor> seen;
    if (bias.defined()) seen = host_view(bias);
    host_view(out).copy_(at::scaled_dot_product_attention(host_view(query), host_view(key),
                                                          host_view(value), seen, 0.0, causal,
                                                          scale, query.size(1) != key.size(1)));
  }
  const Tensor none = at::empty({0}, query.options());
  return {out, none, none, none, query.size(2), key.size(2), none, none, none};
}

// [B, K, L, E] -> [B, H, L, E], a group's head given to each of its query heads.
Tensor for_each_query_head(const Tensor& x, int64_t heads) {
  return x.repeat_interleave(heads / x.size(1), 1);
}
Tensor summed_over_groups(const Tensor& x, int64_t kv_heads) {
  return x.unflatten(1, {kv_heads, x.size(1) / kv_heads}).sum(2);
}

// Gradients of query, key and value, all on the host.
std::array<Tensor, 3> gradients(const Tensor& grad, const Tensor& query, const Tensor& key,
                                const Tensor& value, const Tensor& bias, bool causal,
                                double scale) {
  const int64_t heads = query.size(1), kv_heads = key.size(1);
  const Tensor keys = for_each_query_head(key, heads), values = for_each_query_head(value, heads);
  Tensor scores_BHTL = at::matmul(query, keys.transpose(2, 3)).mul_(scale);
  if (bias.defined()) scores_BHTL = scores_BHTL + bias;
  if (causal) {
    const Tensor later = at::ones({query.size(2), key.size(2)}, at::kBool).triu(1);
    scores_BHTL.masked_fill_(later, -INFINITY);
  }
  const Tensor shares_BHTL = scores_BHTL.softmax(-1);
  const Tensor of_shares = at::matmul(grad, values.transpose(2, 3));
  const Tensor of_scores =
      (of_shares - (of_shares * shares_BHTL).sum(-1, true)) * shares_BHTL * scale;
  return {at::matmul(of_scores, keys),
          summed_over_groups(at::matmul(of_scores.transpose(2, 3), query), kv_heads),
          summed_over_groups(at::matmul(shares_BHTL.transpose(2, 3), grad), kv_heads)};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> attend_backward(
    const Tensor& grad, const Tensor& query, const Tensor& key, const Tensor& value,
    const Tensor& bias, std::array<bool, 4> wanted, const Tensor&, const Tensor&, const Tensor&,
    const Tensor&, c10::SymInt, c10::SymInt, double, bool causal, const Tensor&, const Tensor&,
    std::optional<double> scale) {
  TORCH_CHECK(!wanted[3], "attention: no gradient of the mask");
  check(query, key, value, bias);
  check(grad, grad, grad, Tensor());
  count_operation("attention_backward");
  const double factor = scale.value_or(1 / std::sqrt(static_cast<double>(query.size(3))));
  std::array<Tensor, 3> results;
  const std::array<Tensor, 3> inputs = {query, key, value};
  for (size_t i = 0; i < 3; ++i) {
    results[i] = empty_like_query(inputs[i], inputs[i].size(1), inputs[i].size(3));
  }
  const Operation operation("attention_backward", {grad, query, key, value, bias},
                            {results[0], results[1], results[2]});
  const auto host = gradients(host_view(grad), host_view(query), host_view(key), host_view(value),
                              host_view(bias), causal, factor);
  for (size_t i = 0; i < 3; ++i) host_view(results[i]).copy_(host[i]);
  return {results[0], results[1], results[2], Tensor()};
}

}  // namespace

void register_attention(torch::Library& library) {
  library.impl("_fused_sdp_choice", &choose);
  library.impl("_scaled_dot_product_fused_attention_overrideable", &attend);
  library.impl("_scaled_dot_product_fused_attention_overrideable_backward", &attend_backward);
  at::native::_fused_sdp_choice_stub.set_privateuse1_dispatch_ptr(&choose);
}

}  // namespace mop::testing::opaque
