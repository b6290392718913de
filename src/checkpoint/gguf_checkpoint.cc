// checkpoint/gguf_checkpoint.cc
#include "checkpoint/gguf_checkpoint.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"
#include "checkpoint/gguf_architecture_keys.h"
#include "checkpoint/gguf_rope_names.h"

namespace mop {
namespace {

bool interleaved(const GgufFile& file) {
  const std::string name = file.text("general.architecture");
  return std::ranges::any_of(gguf_architectures(), [&](const GgufArchitecture& row) {
    return row.name == name && row.interleaved;
  });
}

// Heads that order the rows of a tensor; 0 when they lie as in Hugging Face's files.
int64_t heads_of(const GgufPlace& place, const GgufTensor& tensor, int64_t head_dim,
                 const GgufFile& file) {
  if (place.row->rows == HeadRows::kNone) return 0;
  if (tensor.shape.empty() || tensor.shape[0] % head_dim != 0) {
    throw bad_input("the rows of '{}' are not whole heads of {}", tensor.name, head_dim)
        .where("file", file.path().string());
  }
  return tensor.shape[0] / head_dim;
}

}  // namespace

GgufCheckpoint::GgufCheckpoint(GgufFile file)
    : file_(std::move(file)), config_(gguf_config(file_)) {}

GgufCheckpoint GgufCheckpoint::open(const std::filesystem::path& path) {
  GgufCheckpoint result(GgufFile::open(path));
  const bool by_heads = interleaved(result.file_);
  const int64_t head_dim = result.config_["head_dim"].get<int64_t>();
  for (const auto& [name, tensor] : result.file_.tensors()) {
    if (is_rope_tensor(name)) continue;  // in the config
    const auto place = place_of_gguf(name);
    const std::string ours = place ? place->hf_name() : name;
    const int64_t heads = place && by_heads ? heads_of(*place, tensor, head_dim, result.file_) : 0;
    const auto [stored, is_new] = result.stored_.try_emplace(ours, Stored{&tensor, heads});
    if (!is_new) {
      throw bad_input("two tensors are the same one: {} and {}", stored->second.tensor->name, name)
          .where("file", path.string());
    }
    result.entries_[ours] = {result.file_.dtype(tensor), tensor.shape, tensor.begin, tensor.end};
  }
  return result;
}

at::Tensor GgufCheckpoint::tensor(const std::string& name) const {
  const Stored& stored = stored_.at(name);
  const at::Tensor values = file_.tensor(*stored.tensor);
  return stored.heads == 0 ? values : separate_heads(values, stored.heads);
}

}  // namespace mop
