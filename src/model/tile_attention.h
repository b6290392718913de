// model/tile_attention.h -- short attention in bfloat16 on a processor's matrix units (Intel AMX).
#pragma once
#include "model/short_attention.h"

namespace mop {

/// Attention of one KV head of one tree, for `part` of `parts` of its queries; `parts` does not
/// change the result. The head size must be a multiple of 32. Needs tiles::available(). The softmax
/// is float32; its results are rounded to bfloat16.
void attend_with_tiles(const ShortAttentionCall<uint16_t>& call, const SequenceTree& tree,
                       int64_t kv_head, int64_t part, int64_t parts);

}  // namespace mop
