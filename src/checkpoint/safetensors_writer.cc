// checkpoint/safetensors_writer.cc
#include <ATen/ATen.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/files.h"
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
    : path_(path), temporary_(temporary_neighbour(path)), specs_(std::move(specs)) {
  const std::string header = make_header(specs_, metadata);
  file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file_ < 0) fail(errno);
  try {
    // Reserves the room, so that a full disk is known before the work; not every file system can.
    const auto size = static_cast<off_t>(header.size() + data_bytes(specs_));
    if (::fallocate(file_, 0, 0, size) != 0 && errno != EOPNOTSUPP && errno != ENOSYS) fail(errno);
    write_bytes(header.data(), header.size());
  } catch (...) {
    ::close(file_);
    ::unlink(temporary_.c_str());
    throw;
  }
}

SafetensorsWriter::~SafetensorsWriter() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(temporary_.c_str());
}

void SafetensorsWriter::fail(int error) const {
  throw io_error("cannot write: {}", std::strerror(error)).where("file", path_.string());
}

void SafetensorsWriter::write_bytes(const void* data, size_t size) {
  constexpr size_t kPiece = size_t{64} << 20;  // the kernel refuses more than 2 GiB at once
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(file_, next, std::min(size, kPiece));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      // Writing straight out of a mapped file that shrank gives EFAULT instead of SIGBUS.
      if (error == EFAULT) check_mappings();
      fail(error);
    }
    next += n;
    size -= static_cast<size_t>(n);
  }
}

void SafetensorsWriter::write(const at::Tensor& tensor) {
  if (next_ >= specs_.size()) throw internal_error("more tensors than were announced");
  const TensorSpec& spec = specs_[next_];
  if (tensor.scalar_type() != spec.dtype || tensor.sizes() != at::IntArrayRef(spec.shape)) {
    throw internal_error("tensor '{}' is not what was announced", spec.name)
        .where("file", path_.string());
  }
  const at::Tensor plain = tensor.detach().to(at::kCPU).contiguous();
  write_bytes(plain.const_data_ptr(), spec.bytes());
  ++next_;
}

void SafetensorsWriter::finish() {
  if (next_ != specs_.size())
    throw internal_error("tensor '{}' was not written", specs_[next_].name);
  if (::fsync(file_) != 0) fail(errno);
  // What was written may have come from a mapped file.
  check_mappings();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(errno);
  ::close(file_);
  file_ = -1;
  sync_path(path_.has_parent_path() ? path_.parent_path() : ".");
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
