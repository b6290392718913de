// export/hf_writer.h -- writes a model as a Hugging Face folder for transformers.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/progress.h"
#include "model/model.h"

namespace mop {

struct HfWriteOptions {
  int64_t shard_bytes = 5'000'000'000;  ///< maximum tensor data of a shard
  std::string model_card = "";          ///< text of README.md; empty = none
};

/// Returns the model's config.json: sizes from its layers, explicit head_dim, rope settings and
/// dtype in both spellings, per-layer lists reduced, unknown keys copied. A LLaMA whose hidden size
/// is not a multiple of its heads is written as model_type "mistral"; layers that differ get
/// `per_layer_config` and modelling code (see `reader_note` and hf_per_layer.h). Throws
/// Error(kBadInput) for a model without layers.
Json hf_config(const Model& model);

/// Returns one line for users of the written folder, empty if there is nothing to report: layers
/// that differ need modelling code; transformers 5 does not load a LLaMA whose hidden size is not a
/// multiple of its heads. Without biases it is written as the equivalent Mistral, which has no such
/// rule; with biases it gets modelling code too. transformers 5 reads a Mistral's SentencePiece
/// tokenizer differently, so a folder without tokenizer.json gets one that gives LLaMA's ids.
std::string reader_note(const ModelConfig& config);

/// Returns the first transformers version whose own class supports the model as written, at least
/// "4.45": Qwen3 needs 4.51; Qwen2's head_dim and Mistral's rope scaling need 4.48 (ignored
/// before).
std::string_view earliest_transformers(const ModelConfig& config);

/// Writes into the existing folder: shards (with one tensor in memory at a time), index, config,
/// unchanged copies of tokenizer files, generation_config, licence and notices, and the model card
/// with the reader's note at its end. Equal models give equal bytes. Throws Error(kBadInput) if the
/// model cannot be expressed, before anything is written; Error(kIo) if the disk has too little
/// space (checked first) or a file cannot be written, in which case all written files are removed.
void write_hf(const Model& model, const std::filesystem::path& folder,
              const HfWriteOptions& options = {}, Progress& progress = silent_progress());

/// Opens `folder` with our own reader and compares layer shapes and the bits of every tensor with
/// `model`, streamed. Throws Error(kIo) naming the first tensor that differs.
void verify_written(const std::filesystem::path& folder, const Model& model,
                    Progress& progress = silent_progress());

/// Returns the bytes that `write_hf` needs.
int64_t hf_bytes(const Model& model);

}  // namespace mop
