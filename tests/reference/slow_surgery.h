// tests/reference/slow_surgery.h -- pruning as one would write it first: take every tensor, delete
// the rows and columns of what goes. To be read, and compared with.
#pragma once
#include <ATen/ATen.h>

#include <map>
#include <string>

#include "checkpoint/checkpoint.h"
#include "plan/plan.h"

namespace mop::testing {

using Tensors = std::map<std::string, at::Tensor>;

inline Tensors all_tensors(const Checkpoint& checkpoint) {
  Tensors tensors;
  for (const std::string& name : checkpoint.names())
    tensors[name] = checkpoint.tensor(name).clone();
  return tensors;
}

// Rows (axis 0) or columns (axis 1) that belong to `units` of `size` each are overwritten with NaN.
inline void strike_out(at::Tensor& tensor, int64_t axis, const IndexList& units, int64_t size) {
  for (const int32_t unit : units) tensor.narrow(axis, unit * size, size).fill_(NAN);
}

/// `tensors` as in the checkpoint, without what earlier calls removed: removed units stay in place
/// as NaN until `drop_struck_out`, so that indices keep meaning the source's.
inline Tensors strike_out(Tensors tensors, const PlanStep& step, int64_t head_dim) {
  for (const LayerRemoval& removal : step.removals) {
    const std::string prefix = "model.layers." + std::to_string(removal.layer) + ".";
    if (removal.whole) {
      std::erase_if(tensors, [&](const auto& item) { return item.first.starts_with(prefix); });
      continue;
    }
    const auto drop = [&](const std::string& part, const std::string& norm) {
      std::erase_if(tensors, [&](const auto& item) {
        return item.first.starts_with(prefix + part) || item.first.starts_with(prefix + norm);
      });
    };
    if (removal.attention) drop("self_attn.", "input_layernorm.");
    if (removal.mlp) drop("mlp.", "post_attention_layernorm.");
    const auto rows = [&](const std::string& name, const IndexList& units, int64_t size) {
      strike_out(tensors.at(prefix + name + ".weight"), 0, units, size);
      const auto bias = tensors.find(prefix + name + ".bias");
      if (bias != tensors.end()) strike_out(bias->second, 0, units, size);
    };
    if (!removal.heads.empty()) {
      rows("self_attn.q_proj", removal.heads, head_dim);
      rows("self_attn.k_proj", removal.kv_heads, head_dim);
      rows("self_attn.v_proj", removal.kv_heads, head_dim);
      strike_out(tensors.at(prefix + "self_attn.o_proj.weight"), 1, removal.heads, head_dim);
    }
    if (!removal.neurons.empty()) {
      rows("mlp.gate_proj", removal.neurons, 1);
      rows("mlp.up_proj", removal.neurons, 1);
      strike_out(tensors.at(prefix + "mlp.down_proj.weight"), 1, removal.neurons, 1);
    }
  }
  return tensors;
}

/// Keeps the rows and columns of matrices, and the entries of biases, that are not all NaN.
inline Tensors drop_struck_out(Tensors tensors) {
  for (auto& [name, tensor] : tensors) {
    for (int64_t axis = 0; axis < tensor.dim(); ++axis) {
      at::Tensor gone = tensor.isnan();
      if (tensor.dim() == 2) gone = gone.all(1 - axis);
      tensor = tensor.index_select(axis, gone.logical_not().nonzero().flatten());
    }
  }
  return tensors;
}

}  // namespace mop::testing
