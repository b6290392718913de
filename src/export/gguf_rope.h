// export/gguf_rope.h -- rotary scaling in a GGUF file: metadata and factor tensors.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/gguf.h"
#include "model/config.h"

namespace mop {

/// Returns the tensors of factors by which llama.cpp divides each frequency, by name, for the
/// scaling of Llama 3 and longrope. Only llama.cpp's LLaMA architectures read them.
std::vector<std::pair<std::string, at::Tensor>> gguf_rope_factors(const RopeConfig& rope,
                                                                  int64_t head_dim);

/// Appends the scaling's metadata for `architecture`, and notices for the user. Throws
/// Error(kBadInput) for a scaling that llama.cpp does not support.
void write_gguf_rope(const RopeConfig& rope, std::string_view architecture, GgufMetadata& metadata,
                     std::vector<std::string>& notes);

}  // namespace mop
