// checkpoint/gguf_types.cc -- the element types, in one table.
#include <array>

#include "base/named_table.h"
#include "checkpoint/gguf.h"
#include "tensor/q8_0.h"

namespace mop {
namespace {

struct TypeRow {
  GgmlType type;
  std::string_view name;
  DType dtype;
};

constexpr std::array<TypeRow, 4> kTypes = {{{GgmlType::kF32, "f32", at::kFloat},
                                            {GgmlType::kF16, "f16", at::kHalf},
                                            {GgmlType::kBf16, "bf16", at::kBFloat16},
                                            {GgmlType::kQ8_0, "q8_0", at::kFloat}}};

const TypeRow& row_of(GgmlType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row;
  }
  throw internal_error("ggml type {} has no row", static_cast<uint32_t>(type));
}

template <typename T>
GgufValue scalar(GgufType type, T value) {
  return {type, false, std::vector<T>{std::move(value)}};
}

}  // namespace

std::string_view ggml_name(GgmlType type) { return row_of(type).name; }
DType ggml_dtype(GgmlType type) { return row_of(type).dtype; }

GgmlType ggml_type(std::string_view name) {
  return find_by_name(std::span<const TypeRow>(kTypes), name, "dtype of a GGUF file").type;
}

GgmlType ggml_of(DType dtype) {
  for (const TypeRow& row : kTypes) {
    if (row.dtype == dtype) return row.type;
  }
  throw bad_input("a GGUF file cannot hold tensors of {}", dtype_name(dtype));
}

size_t ggml_bytes(GgmlType type, const std::vector<int64_t>& shape) {
  const int64_t values = c10::multiply_integers(shape);
  if (type == GgmlType::kQ8_0) return q8_0_bytes(values);
  return static_cast<size_t>(values) * dtype_bytes(ggml_dtype(type));
}

GgufValue GgufValue::u32(int64_t value) { return scalar(GgufType::kUint32, value); }
GgufValue GgufValue::f32(double value) { return scalar(GgufType::kFloat32, value); }
GgufValue GgufValue::flag(bool value) { return scalar(GgufType::kBool, int64_t{value}); }
GgufValue GgufValue::text(std::string value) { return scalar(GgufType::kString, std::move(value)); }
GgufValue GgufValue::i32_list(const std::vector<int64_t>& values) {
  return {GgufType::kInt32, true, values};
}
GgufValue GgufValue::f32_list(std::vector<double> values) {
  return {GgufType::kFloat32, true, std::move(values)};
}
GgufValue GgufValue::texts(std::vector<std::string> values) {
  return {GgufType::kString, true, std::move(values)};
}

}  // namespace mop
