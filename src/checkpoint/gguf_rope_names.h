// checkpoint/gguf_rope_names.h -- tensors of a GGUF file that belong to its rotary scaling.
#pragma once
#include "checkpoint/gguf_names.h"

namespace mop {

/// Longrope's factors, float32 [head_dim / 2] each: beyond the original context and up to it.
inline constexpr std::string_view kLongRopeFactors = "rope_factors_long.weight";
inline constexpr std::string_view kShortRopeFactors = "rope_factors_short.weight";

/// Whether a tensor holds factors, which the config has as well.
inline bool is_rope_tensor(std::string_view name) {
  return name == kRopeFactors || name == kLongRopeFactors || name == kShortRopeFactors;
}

}  // namespace mop
