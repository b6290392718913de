// plan/reach.cc
#include "plan/reach.h"

#include <algorithm>

namespace mop {

std::optional<int64_t> multiple_of(const Reach& reach, UnitKind unit) {
  const auto found = std::ranges::find(reach.multiples, unit, &SizeMultiple::unit);
  return found == reach.multiples.end() ? std::nullopt : std::optional(found->multiple);
}

}  // namespace mop
