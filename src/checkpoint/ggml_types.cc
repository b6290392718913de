// checkpoint/ggml_types.cc -- the element types, in one table; values of metadata.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/named_table.h"
#include "checkpoint/gguf.h"
#include "tensor/ggml_blocks.h"

namespace mop {
namespace {

struct TypeRow {
  GgmlType type;
  std::string_view name;
  DType dtype;
  const BlockFormat* blocks = nullptr;
};

// The first rows are the types that are written.
constexpr size_t kNumWritten = 4;
constexpr std::array<TypeRow, 16> kTypes = {{{GgmlType::kF32, "f32", at::kFloat},
                                             {GgmlType::kF16, "f16", at::kHalf},
                                             {GgmlType::kBf16, "bf16", at::kBFloat16},
                                             {GgmlType::kQ8_0, "q8_0", at::kFloat, &kQ8_0},
                                             {GgmlType::kQ4_0, "q4_0", at::kFloat, &kQ4_0},
                                             {GgmlType::kQ4_1, "q4_1", at::kFloat, &kQ4_1},
                                             {GgmlType::kQ5_0, "q5_0", at::kFloat, &kQ5_0},
                                             {GgmlType::kQ5_1, "q5_1", at::kFloat, &kQ5_1},
                                             {GgmlType::kQ2K, "q2_k", at::kFloat, &kQ2K},
                                             {GgmlType::kQ3K, "q3_k", at::kFloat, &kQ3K},
                                             {GgmlType::kQ4K, "q4_k", at::kFloat, &kQ4K},
                                             {GgmlType::kQ5K, "q5_k", at::kFloat, &kQ5K},
                                             {GgmlType::kQ6K, "q6_k", at::kFloat, &kQ6K},
                                             {GgmlType::kIq4Nl, "iq4_nl", at::kFloat, &kIq4Nl},
                                             {GgmlType::kIq4Xs, "iq4_xs", at::kFloat, &kIq4Xs},
                                             {GgmlType::kMxfp4, "mxfp4", at::kFloat, &kMxfp4}}};

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
const BlockFormat* ggml_blocks(GgmlType type) { return row_of(type).blocks; }

std::optional<GgmlType> ggml_type_of_file(uint32_t number) {
  for (const TypeRow& row : kTypes) {
    if (static_cast<uint32_t>(row.type) == number) return row.type;
  }
  return std::nullopt;
}

std::string ggml_type_names() {
  std::string names;
  for (const TypeRow& row : kTypes) names += (names.empty() ? "" : ", ") + std::string(row.name);
  std::ranges::transform(names, names.begin(), [](unsigned char c) { return std::toupper(c); });
  return names;
}

GgmlType ggml_type(std::string_view name) {
  return find_by_name(std::span<const TypeRow>(kTypes).first(kNumWritten), name,
                      "dtype of a GGUF file")
      .type;
}

GgmlType ggml_of(DType dtype) {
  for (const TypeRow& row : kTypes) {
    if (row.dtype == dtype) return row.type;
  }
  throw bad_input("a GGUF file cannot hold tensors of {}", dtype_name(dtype));
}

size_t ggml_bytes(GgmlType type, const std::vector<int64_t>& shape) {
  const int64_t values = c10::multiply_integers(shape);
  if (const BlockFormat* blocks = ggml_blocks(type)) return blocks->bytes_of(values);
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
