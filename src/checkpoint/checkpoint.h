// checkpoint/checkpoint.h -- a Hugging Face folder, config.json and the tensors of all its shards;
// or a GGUF file, seen as the folder it stands for.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "checkpoint/gguf_checkpoint.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/tensor_names.h"

namespace mop {

class Checkpoint {
 public:
  /// Opens `folder`: config.json, model.safetensors or the shards of model.safetensors.index.json.
  /// A .gguf file instead is read as gguf_checkpoint.h says.
  /// Throws Error(kBadInput) listing every missing shard and every name that the index and the
  /// shards disagree on. A folder that has only pickled weights gets an error that says so.
  static std::shared_ptr<const Checkpoint> open(const std::filesystem::path& folder);

  /// The folder, or the .gguf file.
  const std::filesystem::path& folder() const { return folder_; }
  /// The GGUF file that this is; null for a folder.
  const GgufFile* gguf() const { return gguf_ ? &gguf_->file() : nullptr; }
  const Json& config() const { return config_; }
  /// How the files name the tensors; `names` and all else here have the names of a language model
  /// alone.
  const NameLayout& layout() const { return *layout_; }
  /// What the files call the tensor that is `name` here.
  const std::string& name_in_file(const std::string& name) const;
  /// Names of all tensors, sorted.
  std::vector<std::string> names() const;
  bool has(const std::string& name) const;
  /// dtype, shape and place. Throws Error(kBadInput) if there is none called `name`.
  const TensorEntry& entry(const std::string& name) const;
  /// A read-only view of the mapped file; a copy of what a GGUF file stores in another form.
  at::Tensor tensor(const std::string& name) const;
  /// Bytes of all tensors in the files.
  int64_t bytes() const;
  /// Bytes of all tensors as `tensor` gives them: more where a GGUF file is quantised.
  int64_t value_bytes() const;
  /// Identifies the content: SHA-256 over config.json, the files' headers and sizes, and the first
  /// and last 4 KiB of every tensor (not the 13 GB in between).
  std::string fingerprint() const;

 private:
  std::filesystem::path folder_;
  Json config_;
  std::vector<SafetensorsFile> files_;
  struct Place {
    size_t file;       // index in files_
    std::string name;  // there
  };
  void place_tensors();
  std::map<std::string, Place> where_;
  const NameLayout* layout_;
  std::shared_ptr<const GgufCheckpoint> gguf_;
};

}  // namespace mop
