// model/packing_on_device.h -- tensors derived from a packing that attention on a device needs,
// uploaded or created once and used by every layer. Shape letters as in forward.h; L keys, S
// sequences.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "model/short_attention.h"

namespace mop {

/// Sequences of different lengths for one call of a variable-length kernel: their queries are
/// concatenated, and so are the keys that each sees.
struct AttentionSegments {
  int64_t first_token = 0, tokens = 0;  ///< range of the queries in the packing
  at::Tensor query_ends, key_ends;      ///< cumulative lengths, [S + 1] int32
  /// Indices of the packing's keys, [L] int32; undefined = `tokens` keys from `first_token` on.
  at::Tensor keys_L;
  int64_t longest_query = 0, longest_key = 0;
};

/// A tree and the number of consecutive trees of the same shape, including itself.
struct EqualTrees {
  SequenceTree first;
  int64_t count = 0;
};
std::vector<EqualTrees> equal_trees(const Packing& packing);

/// Values are created at first use. The device may be the CPU.
class PackingOnDevice {
 public:
  PackingOnDevice(Packing packing, c10::Device device);
  const Packing& packing() const { return packing_; }
  c10::Device device() const { return device_; }

  /// Returns all sequences; the keys of a branch are those of its prefix and its own. The last
  /// query of each sequence sees its last key. One upload.
  const std::vector<AttentionSegments>& segments();
  /// Additive mask of the last `queries` of `keys` tokens: [T, L], 0 where visible, else -infinity.
  /// The row stride is a multiple of 16 elements, as fused kernels require.
  at::Tensor causal_mask(int64_t queries, int64_t keys, std::optional<int64_t> window,
                         c10::ScalarType dtype);
  /// The same for the branches of a tree of this packing, over all tokens of the tree. One upload
  /// for all trees.
  at::Tensor branch_mask(const SequenceTree& tree, std::optional<int64_t> window,
                         c10::ScalarType dtype);

 private:
  const at::Tensor& seen_N4(int64_t window);

  Packing packing_;
  c10::Device device_;
  std::vector<AttentionSegments> segments_;
  std::map<std::tuple<int64_t, int64_t, int64_t, c10::ScalarType>, at::Tensor> causal_masks_;
  std::map<std::tuple<int64_t, std::vector<int64_t>, int64_t, c10::ScalarType>, at::Tensor>
      branch_masks_;
  std::map<int64_t, at::Tensor> seen_by_window_;
};

}  // namespace mop
