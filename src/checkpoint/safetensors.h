// checkpoint/safetensors.h -- one safetensors file: header checked, data mapped.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/mapped_file.h"

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
  /// A view of the mapped data (copied when misaligned). Throws Error(kBadInput) if there is none.
  at::Tensor tensor(const std::string& name) const;
  /// The raw header, for fingerprints.
  std::string_view header() const;

 private:
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, TensorEntry> entries_;
  std::map<std::string, std::string> metadata_;
};

/// Writes small sets of tensors (statistics, scores) in one call, names in order; appears atomically.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace mop
