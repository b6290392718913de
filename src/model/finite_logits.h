// model/finite_logits.h -- the error for NaN or infinite logits.
#pragma once
#include <cstdint>

#include "base/error.h"

namespace mop {

/// The error to throw if the logits at token number `token` are NaN or infinite.
inline Error not_finite_logits(int64_t token) {
  return bad_input("the model's logits at token {} are not finite", token)
      .hint("the weights hold NaN or infinity, or the compute type overflows: try --dtype float32");
}

}  // namespace mop
