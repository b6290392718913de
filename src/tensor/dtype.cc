// tensor/dtype.cc
#include "tensor/dtype.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace mop {
namespace {

struct Row {
  DType dtype;
  std::string_view safetensors;
  std::string_view name;
};

// All safetensors dtypes whose elements are whole bytes.
constexpr std::array<Row, 18> kTable{{{at::kFloat, "F32", "float32"},
                                      {at::kBFloat16, "BF16", "bfloat16"},
                                      {at::kHalf, "F16", "float16"},
                                      {at::kDouble, "F64", "float64"},
                                      {at::kByte, "U8", "uint8"},
                                      {at::kChar, "I8", "int8"},
                                      {at::kShort, "I16", "int16"},
                                      {at::kInt, "I32", "int32"},
                                      {at::kLong, "I64", "int64"},
                                      {at::kUInt16, "U16", "uint16"},
                                      {at::kUInt32, "U32", "uint32"},
                                      {at::kUInt64, "U64", "uint64"},
                                      {at::kBool, "BOOL", "bool"},
                                      {at::kFloat8_e4m3fn, "F8_E4M3", "float8_e4m3fn"},
                                      {at::kFloat8_e5m2, "F8_E5M2", "float8_e5m2"},
                                      {at::kFloat8_e4m3fnuz, "F8_E4M3FNUZ", "float8_e4m3fnuz"},
                                      {at::kFloat8_e5m2fnuz, "F8_E5M2FNUZ", "float8_e5m2fnuz"},
                                      {at::kComplexFloat, "C64", "complex64"}}};

const Row& row_of(DType dtype) {
  const auto row = std::ranges::find(kTable, dtype, &Row::dtype);
  if (row == kTable.end()) throw internal_error("no name for dtype {}", at::toString(dtype));
  return *row;
}

std::string known(std::string_view Row::*column) {
  std::string text;
  for (const Row& row : kTable) text += (text.empty() ? "" : ", ") + std::string(row.*column);
  return text;
}

}  // namespace

DType dtype_from_safetensors(std::string_view name) {
  const auto row = std::ranges::find(kTable, name, &Row::safetensors);
  if (row != kTable.end()) return row->dtype;
  throw bad_input("unknown dtype '{}'", name).hint("known: " + known(&Row::safetensors));
}

std::string safetensors_name(DType dtype) { return std::string(row_of(dtype).safetensors); }

DType dtype_from_name(std::string_view name) {
  if (name.starts_with("torch.")) name.remove_prefix(6);
  const auto row = std::ranges::find(kTable, name, &Row::name);
  if (row != kTable.end()) return row->dtype;
  throw usage_error("unknown dtype '{}'", name).hint("known: " + known(&Row::name));
}

std::string dtype_name(DType dtype) { return std::string(row_of(dtype).name); }

size_t dtype_bytes(DType dtype) { return c10::elementSize(dtype); }

}  // namespace mop
