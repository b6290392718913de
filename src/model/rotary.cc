// model/rotary.cc -- cos and sin tables of the rotary position encoding, with the frequencies of
// model/rope_types.h.
#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "model/forward.h"
#include "model/rope_types.h"
#include "tensor/dtype.h"
#include "tensor/upload.h"

namespace mop {
namespace {

at::Tensor positions(const Packing& packing, DType dtype) {
  at::Tensor position_N = at::empty({packing.tokens()}, at::kLong);
  int64_t* out = position_N.mutable_data_ptr<int64_t>();
  for (size_t s = 0; s < packing.lengths.size(); ++s) {
    const int64_t start = packing.starts.empty() ? 0 : packing.starts[s];
    for (int64_t t = 0; t < packing.lengths[s]; ++t) *out++ = start + t;
  }
  return position_N.to(dtype);
}

int64_t head_dim_of(const ModelConfig& config) {
  return config.layers.empty() ? 0 : config.layers.front().head_dim;
}

at::Tensor frequencies(const ModelConfig& config, int64_t length) {
  const RopeType& type = find_rope_type(config.rope.type, "the model");
  return type.frequencies(config.rope, head_dim_of(config), length);
}

// cos and sin of angle_NF (float32, CPU), [2, N, E] in `dtype`.
at::Tensor cos_sin_of(const ModelConfig& config, const at::Tensor& angle_NF, DType dtype) {
  const at::Tensor angle_NE = at::cat({angle_NF, angle_NF}, 1);
  const at::Tensor cos_sin_2NE = at::stack({angle_NE.cos(), angle_NE.sin()});
  const double factor = config.rope.attention_factor;
  return (factor == 1.0 ? cos_sin_2NE : cos_sin_2NE * factor).to(dtype);
}

// The length key of each sequence, which determines its frequencies. A prefix and its branches
// count as one sequence.
std::vector<int64_t> length_keys(const ModelConfig& config, const Packing& packing) {
  std::vector<int64_t> ends;
  size_t prefix = 0;
  for (size_t s = 0; s < packing.lengths.size(); ++s) {
    ends.push_back((packing.starts.empty() ? 0 : packing.starts[s]) + packing.lengths[s]);
    const bool branch = !packing.branches.empty() && packing.branches[s];
    if (!branch) prefix = s;
    ends[prefix] = std::max(ends[prefix], ends[s]);
  }
  for (size_t s = 0; s < ends.size(); ++s) {
    const bool branch = !packing.branches.empty() && packing.branches[s];
    if (!branch) prefix = s;
    ends[s] = ends[prefix];
  }
  for (int64_t& end : ends) end = rope_length_key(config.rope, end);
  return ends;
}

// cos and sin of the packing's positions, [2, N, E] on the CPU; `keys` has a length key per
// sequence.
at::Tensor cos_sin(const ModelConfig& config, const Packing& packing,
                   const std::vector<int64_t>& keys, DType dtype) {
  const at::Tensor position_N = positions(packing, at::kFloat);
  std::map<int64_t, at::Tensor> frequency_of;
  std::vector<at::Tensor> angles;
  int64_t first = 0;
  for (size_t s = 0; s < keys.size();) {
    int64_t tokens = 0;  // of consecutive sequences with the same frequencies
    size_t end = s;
    for (; end < keys.size() && keys[end] == keys[s]; ++end) tokens += packing.lengths[end];
    at::Tensor& frequency_F = frequency_of[keys[s]];
    if (!frequency_F.defined()) frequency_F = frequencies(config, keys[s]);
    angles.push_back(position_N.narrow(0, first, tokens).unsqueeze(1) * frequency_F.unsqueeze(0));
    first += tokens;
    s = end;
  }
  return cos_sin_of(config, angles.size() == 1 ? angles.front() : at::cat(angles), dtype);
}

// Returns the packing's last position + 1.
int64_t end_of(const Packing& packing) {
  int64_t end = 1;
  for (size_t s = 0; s < packing.lengths.size(); ++s) {
    end = std::max(end, (packing.starts.empty() ? 0 : packing.starts[s]) + packing.lengths[s]);
  }
  return end;
}

// A name made of all settings that determine the table.
std::string table_name(const ModelConfig& config, int64_t key, DType dtype, int64_t length) {
  const RopeConfig& rope = config.rope;
  const std::vector<double>& list =
      key > rope.original_context ? rope.long_factor : rope.short_factor;
  return fmt::format("rotary {} {} {} {} {} {} {} {} {} {} [{}] {} {} {} to {}", rope.type,
                     rope.theta, rope.factor, rope.low_freq_factor, rope.high_freq_factor,
                     rope.original_context, rope.attention_factor, rope.beta_fast, rope.beta_slow,
                     rope.truncate, fmt::join(list, " "), head_dim_of(config), dtype_name(dtype),
                     key, length);
}

// cos and sin of positions 0, 1, ... on the device, [2, P, E] with P >= `end`. Created once.
at::Tensor table_on_device(const ModelConfig& config, int64_t key, int64_t end,
                           const Compute& compute) {
  int64_t length = 1024;
  while (length < end) length *= 2;
  return compute.store->constant(table_name(config, key, compute.dtype, length), [&] {
    return cos_sin(config, Packing{{length}}, {key}, compute.dtype);
  });
}

// A table is used if all sequences have the same frequencies. Those of dynamic scaling beyond the
// original context hold for one length only and are not kept.
bool has_table(const ModelConfig& config, const std::vector<int64_t>& keys) {
  const bool one = std::ranges::all_of(keys, [&](int64_t key) { return key == keys.front(); });
  return one && (config.rope.type != "dynamic" || keys.front() <= config.rope.original_context);
}

// The packing's rows of the table; a view for a single sequence.
at::Tensor rows_of(const at::Tensor& table_2PE, const Packing& packing) {
  const int64_t start = packing.starts.empty() ? 0 : packing.starts.front();
  if (packing.lengths.size() == 1) return table_2PE.narrow(1, start, packing.lengths.front());
  return table_2PE.index_select(1, upload(positions(packing, at::kInt), table_2PE.device()));
}

}  // namespace

std::pair<at::Tensor, at::Tensor> rotary(const ModelConfig& config, const Packing& packing,
                                         const Compute& compute) {
  const std::vector<int64_t> keys = length_keys(config, packing);
  if (compute.store == nullptr) {
    const at::Tensor cos_sin_2NE = cos_sin(config, packing, keys, compute.dtype);
    return {cos_sin_2NE[0].to(compute.device), cos_sin_2NE[1].to(compute.device)};
  }
  const at::Tensor cos_sin_2NE =
      has_table(config, keys)
          ? rows_of(table_on_device(config, keys.front(), end_of(packing), compute), packing)
          : upload(cos_sin(config, packing, keys, compute.dtype), compute.device);
  return {cos_sin_2NE[0], cos_sin_2NE[1]};
}

}  // namespace mop
