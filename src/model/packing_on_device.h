// model/packing_on_device.h -- what attention on a device must know of a packing: uploaded or made
// there once, then used by every layer. Shape letters as in forward.h; L keys, S sequences.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "model/short_attention.h"

namespace mop {

/// Sequences for a kernel that takes many of different lengths: each one's queries lie behind each
/// other, and so do the keys that it sees.
struct AttentionSegments {
  int64_t first_token = 0, tokens = 0;  ///< whose queries these are
  at::Tensor query_ends, key_ends;      ///< [S + 1] int32: 0 and where each sequence ends
  /// Rows of the packing's keys, [L] int32; undefined = `tokens` rows from `first_token` on.
  at::Tensor keys_L;
  int64_t longest_query = 0, longest_key = 0;
};

/// A tree and those behind it that have the same shape.
struct EqualTrees {
  SequenceTree first;
  int64_t count = 0;
};
std::vector<EqualTrees> equal_trees(const Packing& packing);

/// Everything is made when it is first asked for. The device may be the CPU.
class PackingOnDevice {
 public:
  PackingOnDevice(Packing packing, c10::Device device);
  const Packing& packing() const { return packing_; }
  c10::Device device() const { return device_; }

  /// All sequences; the keys of a branch are its beginning's and its own. The last query of each
  /// sequence sees its last key. One upload.
  const std::vector<AttentionSegments>& segments();
  /// What is added to the scores of the last `queries` of `keys` tokens: [T, L], 0 where a query
  /// may look, else -inf. Rows lie a multiple of 16 numbers apart, as fused kernels want them.
  at::Tensor causal_mask(int64_t queries, int64_t keys, std::optional<int64_t> window,
                         c10::ScalarType dtype);
  /// The same for the branches of a tree of this packing, over all of its tokens. One upload for
  /// all trees.
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
