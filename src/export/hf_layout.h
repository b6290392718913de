// export/hf_layout.h -- which tensor goes into which file of a Hugging Face folder.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "model/model.h"

namespace mop {

/// A tensor to be written: its place in the model and how to get its values.
struct PlacedTensor {
  TensorSpec spec;
  std::function<at::Tensor(const Model&)> value;  ///< gathered when called
};

struct Shard {
  std::string file;
  std::vector<PlacedTensor> tensors;
  std::vector<TensorSpec> specs() const;
};

/// Every tensor of the model in file order (embedding, layers from 0, final norm, head), cut into
/// files of at most `shard_bytes` of tensor data (a larger tensor has a file of its own).
std::vector<Shard> lay_out(const Model& model, int64_t shard_bytes);

/// Files to copy unchanged from the source's folder, relative to it, sorted.
std::vector<std::string> copied_files(const std::filesystem::path& source);

}  // namespace mop
