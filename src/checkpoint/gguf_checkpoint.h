// checkpoint/gguf_checkpoint.h -- a GGUF file seen as the Hugging Face checkpoint it stands for.
#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "base/json.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_names.h"
#include "checkpoint/safetensors.h"

namespace mop {

/// The config.json of a GGUF model: sizes from the metadata, per layer where they differ, biases
/// from the tensors that are there. Throws Error(kBadInput): an architecture we do not know, a
/// missing key, experts, a rope scaling that a config cannot express.
Json gguf_config(const GgufFile& file);

/// What Llama 3.1's rope scaling divides each frequency by: float32 [head_dim / 2]. `low` and
/// `high` are its frequency factors, `context` the original one in tokens.
at::Tensor llama3_rope_factors(double factor, double low, double high, double context, double theta,
                               int64_t head_dim);

class GgufCheckpoint {
 public:
  /// Throws what GgufFile::open and gguf_config throw, and Error(kBadInput) for q and k whose rows
  /// are not whole heads, and for two tensors that stand for the same one.
  static GgufCheckpoint open(const std::filesystem::path& path);
  GgufCheckpoint(GgufCheckpoint&&) = default;  // not copied: `stored_` points into `file_`

  const GgufFile& file() const { return file_; }
  const Json& config() const { return config_; }
  /// By Hugging Face name, unknown ones under their own; dtype and shape as `tensor` gives them,
  /// `begin` and `end` of the stored bytes.
  const std::map<std::string, TensorEntry>& entries() const { return entries_; }
  /// Values in Hugging Face's order of rows: a view of the mapped file where that is the stored
  /// one, else a copy.
  at::Tensor tensor(const std::string& name) const;

 private:
  struct Stored {
    const GgufTensor* tensor;
    int64_t heads;  // whose rows are interleaved; 0 = none
  };
  explicit GgufCheckpoint(GgufFile file);
  GgufFile file_;
  Json config_;
  std::map<std::string, TensorEntry> entries_;
  std::map<std::string, Stored> stored_;
};

}  // namespace mop
