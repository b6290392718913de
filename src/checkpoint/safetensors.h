// checkpoint/safetensors.h -- safetensors files: header checked, data mapped; written in one
// stream.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/mapped_file.h"
#include "tensor/streamed_file.h"

namespace mop {

/// Where a tensor lies in its file. `begin` and `end` are bytes from the file's start.
struct TensorEntry {
  DType dtype;
  std::vector<int64_t> shape;
  size_t begin = 0;
  size_t end = 0;
};

class SafetensorsFile {
 public:
  /// Maps `path` and validates its header: length below 100 MB and inside the file, JSON, known
  /// dtypes, sizes that match shapes, no overlap, no gap, nothing beyond the end.
  /// Throws Error(kBadInput) naming the file and the tensor.
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::map<std::string, TensorEntry>& entries() const { return entries_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::filesystem::path& path() const { return file_->path(); }
  /// Bytes of the whole file.
  size_t bytes() const { return file_->bytes().size(); }
  /// A view of the mapped data (copied when misaligned). Throws Error(kBadInput) if there is none.
  at::Tensor tensor(const std::string& name) const;
  /// The raw bytes of an entry of this file.
  std::string_view data(const TensorEntry& entry) const;
  /// The raw header, for fingerprints.
  std::string_view header() const;

 private:
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, TensorEntry> entries_;
  std::map<std::string, std::string> metadata_;
};

/// What a tensor will be, before its values are there.
struct TensorSpec {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  size_t bytes() const;
};

/// Writes one file tensor by tensor, in the order of the specs. The file appears whole under its
/// name with `finish`, or not at all: without it, nothing is left behind. Same specs, same values,
/// same bytes.
class SafetensorsWriter {
 public:
  /// Throws Error(kIo) when the file cannot be made or the disk has no room for it.
  SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorSpec> specs,
                    const std::map<std::string, std::string>& metadata = {});

  /// The next tensor; any device and layout. Throws Error(kInternal) when it is not what its spec
  /// says, Error(kIo) when it cannot be written.
  void write(const at::Tensor& tensor);
  /// All tensors are there: flushes to the disk, gives the file its name. Throws Error(kIo).
  void finish();
  /// Bytes that such a file takes.
  static size_t file_bytes(const std::vector<TensorSpec>& specs,
                           const std::map<std::string, std::string>& metadata = {});

 private:
  std::vector<TensorSpec> specs_;
  size_t next_ = 0;
  StreamedFile file_;
};

/// Writes small sets of tensors (statistics, scores) in one call; appears atomically. Wider dtypes
/// come first, so that every tensor is aligned, then names in order.
void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace mop
