// export/hf_layout.h -- assigns tensors to the files of a Hugging Face folder.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "model/model.h"

namespace mop {

/// A tensor to be written, and a function that returns its values.
struct PlacedTensor {
  TensorSpec spec;
  std::function<at::Tensor(const Model&)> value;  ///< computed when called
};

struct Shard {
  std::string file;
  std::vector<PlacedTensor> tensors;
  std::vector<TensorSpec> specs() const;
};

/// Returns all tensors of the model in file order (embedding, layers, final norm, head), divided
/// into files of at most `shard_bytes` of tensor data (a larger tensor gets its own file).
std::vector<Shard> lay_out(const Model& model, int64_t shard_bytes);

/// Returns the names of the source's licence files, sorted: LICENSE*, COPYING*, NOTICE* and such.
std::vector<std::string> licence_files(const std::filesystem::path& source);

/// Returns the files to copy unchanged from the source's folder, relative to it, sorted.
std::vector<std::string> copied_files(const std::filesystem::path& source);

}  // namespace mop
