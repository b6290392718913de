// checkpoint/gguf_writer.cc
#include <ATen/ATen.h>

#include <set>

#include "base/error.h"
#include "checkpoint/gguf.h"
#include "tensor/ggml_blocks.h"

namespace mop {
namespace {

constexpr size_t kAlignment = 32;
constexpr int64_t kPieceValues = int64_t{4} << 20;  // converted at once

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, const std::string& text) {
  put(out, static_cast<uint64_t>(text.size()));
  out += text;
}

// Only the types that GgufValue makes.
void put_element(std::string& out, const GgufValue& value, size_t i) {
  switch (value.type) {
    case GgufType::kUint32:
      return put(out, static_cast<uint32_t>(std::get<0>(value.values)[i]));
    case GgufType::kInt32:
      return put(out, static_cast<int32_t>(std::get<0>(value.values)[i]));
    case GgufType::kBool:
      return put(out, static_cast<uint8_t>(std::get<0>(value.values)[i]));
    case GgufType::kFloat32:
      return put(out, static_cast<float>(std::get<1>(value.values)[i]));
    case GgufType::kString:
      return put_text(out, std::get<2>(value.values)[i]);
    default:
      throw internal_error("metadata of type {} is not written", static_cast<uint32_t>(value.type));
  }
}

void put_value(std::string& out, const GgufValue& value) {
  const size_t count = std::visit([](const auto& list) { return list.size(); }, value.values);
  if (value.list) {
    put(out, GgufType::kArray);
    put(out, value.type);
    put(out, static_cast<uint64_t>(count));
  } else {
    put(out, value.type);
  }
  for (size_t i = 0; i < count; ++i) put_element(out, value, i);
}

std::string make_header(const GgufMetadata& metadata, const std::vector<GgufTensorSpec>& specs) {
  std::string out = "GGUF";
  put(out, uint32_t{3});
  put(out, static_cast<uint64_t>(specs.size()));
  put(out, static_cast<uint64_t>(metadata.size()));
  for (const auto& [key, value] : metadata) {
    put_text(out, key);
    put_value(out, value);
  }
  uint64_t offset = 0;
  std::set<std::string_view> names;
  for (const GgufTensorSpec& spec : specs) {
    if (!names.insert(spec.name).second)
      throw internal_error("tensor '{}' is to be written twice", spec.name);
    put_text(out, spec.name);
    put(out, static_cast<uint32_t>(spec.shape.size()));
    for (auto size = spec.shape.rbegin(); size != spec.shape.rend(); ++size) {
      put(out, static_cast<uint64_t>(*size));
    }
    put(out, spec.type);
    put(out, offset);
    offset += aligned(ggml_bytes(spec.type, spec.shape));
  }
  out.resize(aligned(out.size()), '\0');
  return out;
}

// Values of one piece in the file's type, as bytes. Throws when one is not finite there.
std::string convert(const at::Tensor& piece, GgmlType type) {
  const at::Tensor values = piece.to(ggml_dtype(type)).contiguous();
  if (!at::isfinite(values).all().item<bool>()) {
    throw bad_input("a value is not finite as {}", ggml_name(type));
  }
  std::string bytes(ggml_bytes(type, values.sizes().vec()), '\0');
  if (type == GgmlType::kQ8_0) {
    quantize_q8_0(values.const_data_ptr<float>(), values.numel(),
                  reinterpret_cast<std::byte*>(bytes.data()));
  } else {
    std::memcpy(bytes.data(), values.const_data_ptr(), bytes.size());
  }
  return bytes;
}

}  // namespace

size_t GgufWriter::file_bytes(const GgufMetadata& metadata,
                              const std::vector<GgufTensorSpec>& specs) {
  size_t bytes = make_header(metadata, specs).size();
  for (const GgufTensorSpec& spec : specs) bytes += aligned(ggml_bytes(spec.type, spec.shape));
  return bytes;
}

GgufWriter::GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata,
                       std::vector<GgufTensorSpec> specs)
    : specs_(std::move(specs)), file_(path, file_bytes(metadata, specs_)) {
  const std::string header = make_header(metadata, specs_);
  file_.write(header.data(), header.size());
}

void GgufWriter::write(const at::Tensor& tensor) {
  if (next_ >= specs_.size()) throw internal_error("more tensors than were announced");
  const GgufTensorSpec& spec = specs_[next_++];
  if (tensor.sizes() != at::IntArrayRef(spec.shape)) {
    throw internal_error("tensor '{}' is not what was announced", spec.name);
  }
  // Whole rows at a time, so that a piece holds whole blocks.
  const at::Tensor rows = tensor.detach().to(at::kCPU).reshape({-1, spec.shape.back()});
  const int64_t step = std::max<int64_t>(1, kPieceValues / spec.shape.back());
  size_t written = 0;
  for (int64_t row = 0; row < rows.size(0); row += step) {
    const at::Tensor piece = rows.narrow(0, row, std::min(step, rows.size(0) - row));
    try {
      const std::string bytes = convert(piece, spec.type);
      file_.write(bytes.data(), bytes.size());
      written += bytes.size();
    } catch (Error& e) {
      throw std::move(e).where("tensor", spec.name);
    }
  }
  const std::string padding(aligned(written) - written, '\0');
  file_.write(padding.data(), padding.size());
}

void GgufWriter::finish() {
  if (next_ != specs_.size())
    throw internal_error("tensor '{}' was not written", specs_[next_].name);
  file_.finish();
}

}  // namespace mop
