// checkpoint/safetensors_writer.cc
#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"

namespace mop {
namespace {

// Length, then JSON padded with spaces so that the data begins at a multiple of 8.
std::string make_header(const std::vector<TensorSpec>& specs,
                        const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  size_t offset = 0;
  std::set<std::string_view> names;
  for (const TensorSpec& spec : specs) {
    if (!names.insert(spec.name).second)
      throw internal_error("tensor '{}' is to be written twice", spec.name);
    const size_t end = offset + spec.bytes();
    header[spec.name] = {{"dtype", safetensors_name(spec.dtype)},
                         {"shape", spec.shape},
                         {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string prefix(8, '\0');
  for (size_t i = 0; i < 8; ++i) prefix[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  return prefix + text;
}

size_t data_bytes(const std::vector<TensorSpec>& specs) {
  size_t bytes = 0;
  for (const TensorSpec& spec : specs) bytes += spec.bytes();
  return bytes;
}

}  // namespace

size_t TensorSpec::bytes() const {
  return static_cast<size_t>(c10::multiply_integers(shape)) * dtype_bytes(dtype);
}

size_t SafetensorsWriter::file_bytes(const std::vector<TensorSpec>& specs,
                                     const std::map<std::string, std::string>& metadata) {
  return make_header(specs, metadata).size() + data_bytes(specs);
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     std::vector<TensorSpec> specs,
                                     const std::map<std::string, std::string>& metadata)
    : specs_(std::move(specs)), file_(path, file_bytes(specs_, metadata)) {
  const std::string header = make_header(specs_, metadata);
  file_.write(header.data(), header.size());
}

void SafetensorsWriter::write(const at::Tensor& tensor) {
  if (next_ >= specs_.size()) throw internal_error("more tensors than were announced");
  const TensorSpec& spec = specs_[next_];
  if (tensor.scalar_type() != spec.dtype || tensor.sizes() != at::IntArrayRef(spec.shape)) {
    throw internal_error("tensor '{}' is not what was announced", spec.name)
        .where("file", file_.path().string());
  }
  const at::Tensor plain = tensor.detach().to(at::kCPU).contiguous();
  file_.write(plain.const_data_ptr(), spec.bytes());
  ++next_;
}

void SafetensorsWriter::finish() {
  if (next_ != specs_.size())
    throw internal_error("tensor '{}' was not written", specs_[next_].name);
  file_.finish();
}

void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, tensor] : tensors)
    specs.push_back({name, tensor.scalar_type(), tensor.sizes().vec()});
  std::ranges::stable_sort(specs, std::ranges::greater(),
                           [](const TensorSpec& spec) { return dtype_bytes(spec.dtype); });
  SafetensorsWriter writer(path, specs, metadata);
  for (const TensorSpec& spec : specs) writer.write(tensors.at(spec.name));
  writer.finish();
}

}  // namespace mop
