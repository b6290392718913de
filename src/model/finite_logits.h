// model/finite_logits.h -- the one error for a model that computes no numbers.
#pragma once
#include <cstdint>

#include "base/error.h"

namespace mop {

/// To be thrown by whoever reads logits: those at token number `token` are NaN or infinite.
inline Error not_finite_logits(int64_t token) {
  return bad_input("the model's logits at token {} are not finite", token)
      .hint("the weights hold NaN or infinity, or the compute type overflows: try --dtype float32");
}

}  // namespace mop
