// export/gguf_rope.h -- rotary scaling in a GGUF file: metadata and tensors of factors.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/gguf.h"
#include "model/config.h"

namespace mop {

/// Tensors of factors that llama.cpp divides each frequency by, by name: of Llama 3's scaling and
/// of longrope. Only llama.cpp's architectures of LLaMA read them.
std::vector<std::pair<std::string, at::Tensor>> gguf_rope_factors(const RopeConfig& rope,
                                                                  int64_t head_dim);

/// Appends what `architecture`'s keys say of the scaling, and notes for the user. Throws
/// Error(kBadInput) for a scaling that llama.cpp does not compute.
void write_gguf_rope(const RopeConfig& rope, std::string_view architecture, GgufMetadata& metadata,
                     std::vector<std::string>& notes);

}  // namespace mop
