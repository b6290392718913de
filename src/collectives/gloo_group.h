// collectives/gloo_group.h -- Collectives by LibTorch's Gloo; see collectives.h.
#pragma once
#include <memory>

#include "collectives/collectives.h"

namespace mop {

/// Throws Error(kIo) when the ranks do not all join in time.
std::shared_ptr<Collectives> join_gloo(const RankPlace& place);

}  // namespace mop
