// checkpoint/ggml_types.h -- element types of tensors in GGUF files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/ggml_blocks.h"

namespace mop {

/// Element types of tensors that we read, numbered as in the file.
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2K = 10,
  kQ3K = 11,
  kQ4K = 12,
  kQ5K = 13,
  kQ6K = 14,
  kIq4Nl = 20,
  kIq4Xs = 23,
  kBf16 = 30,
  kMxfp4 = 39
};
/// "f32", "q4_k", ...
std::string_view ggml_name(GgmlType type);
/// A type that we write: f32, f16, bf16, q8_0. Throws Error(kUsage) listing them.
GgmlType ggml_type(std::string_view name);
/// The type numbered so in a file; nothing when it is not read.
std::optional<GgmlType> ggml_type_of_file(uint32_t number);
/// "F32, F16, Q4_0, ...": the types that are read.
std::string ggml_type_names();
/// How the values stand in blocks; null for f32, f16 and bf16.
const BlockFormat* ggml_blocks(GgmlType type);
/// What the values are in memory; float32 for those in blocks.
DType ggml_dtype(GgmlType type);
/// The type that stores this dtype unchanged. Throws Error(kBadInput) when there is none.
GgmlType ggml_of(DType dtype);
/// Bytes of a tensor, whose rows must be whole blocks.
size_t ggml_bytes(GgmlType type, const std::vector<int64_t>& shape);

}  // namespace mop
