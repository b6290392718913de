// collectives/gloo_group.h -- several ranks through LibTorch's Gloo; see collectives.h.
#pragma once
#include <memory>

#include "collectives/collectives.h"

namespace mop {

/// Throws Error(kIo) when the ranks do not all come in time.
std::shared_ptr<Collectives> join_gloo(const RankPlace& place);

}  // namespace mop
