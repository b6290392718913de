// model/tile_attention.h -- short attention in bfloat16 on a processor's matrix units (Intel AMX).
#pragma once
#include "model/short_attention.h"

namespace mop {

/// What short_attention_ does for one tree and one of its KV heads, `part` of `parts` of its
/// queries; how many parts there are changes no figure. Heads of a multiple of 32.
/// Needs tiles::available(). The softmax runs in float32, its results are rounded to bfloat16.
void attend_with_tiles(const ShortAttentionCall<uint16_t>& call, const SequenceTree& tree,
                       int64_t kv_head, int64_t part, int64_t parts);

}  // namespace mop
