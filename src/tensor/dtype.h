// tensor/dtype.h -- element types and their names in safetensors files, HF configs and our options.
#pragma once
#include <c10/core/ScalarType.h>

#include <string>
#include <string_view>

namespace mop {

using DType = at::ScalarType;

/// Converts "F32", "F16", "BF16", ... as in safetensors headers. Throws Error(kBadInput) for
/// unknown names.
DType dtype_from_safetensors(std::string_view name);
std::string safetensors_name(DType dtype);
/// Converts "float32", "bfloat16", "float16" as in HF configs and `--dtype`. Throws Error(kUsage).
DType dtype_from_name(std::string_view name);
std::string dtype_name(DType dtype);
/// Bytes of one element.
size_t dtype_bytes(DType dtype);

}  // namespace mop
