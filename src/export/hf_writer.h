// export/hf_writer.h -- a model as a Hugging Face folder that transformers loads.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/progress.h"
#include "model/model.h"

namespace mop {

struct HfWriteOptions {
  int64_t shard_bytes = 5'000'000'000;  ///< a new file begins before a shard grows beyond this
  std::string model_card = "";          ///< README.md's text; empty = none
};

/// The config.json of this model: sizes from its layers, head_dim explicit, rope in both spellings,
/// dtype in both, per-layer lists cut, unknown keys copied through. A LLaMA whose hidden size is
/// not a multiple of its heads is written as model_type "mistral"; layers that differ get
/// `per_layer_config` and modelling code (see `reader_note` and hf_per_layer.h). Throws
/// Error(kBadInput) for a model without layers.
Json hf_config(const Model& model);

/// One line that users of the written folder should know, empty when there is nothing to say:
/// layers that differ need modelling code; transformers 5 refuses a LLaMA whose hidden size is not
/// a multiple of its heads. Without biases a Mistral is the same function and has no such rule, so
/// it is written as one; with biases it gets modelling code too. transformers 5 reads a Mistral's
/// SentencePiece tokenizer differently, so a folder without tokenizer.json gets one that gives
/// LLaMA's ids.
std::string reader_note(const ModelConfig& config);

/// The first transformers whose own class computes this model as written, "4.45" at least: Qwen3
/// came with 4.51; Qwen2's head_dim and Mistral's rope scaling with 4.48 (before, the latter is
/// ignored).
std::string_view earliest_transformers(const ModelConfig& config);

/// Writes into the existing folder: shards (streamed, one tensor in memory at a time), index,
/// config, tokenizer files, generation_config, licence and notices copied unchanged, and the model
/// card with the reader's note at its end. Same model, same bytes. Throws Error(kBadInput) when the
/// model cannot be expressed, before anything is written; Error(kIo) when the disk has no room
/// (asked for before the work) or a file cannot be written: then nothing it wrote is left.
void write_hf(const Model& model, const std::filesystem::path& folder,
              const HfWriteOptions& options = {}, Progress& progress = silent_progress());

/// Opens `folder` with our own reader and compares it with `model`: layer shapes, and every tensor
/// bit by bit, streamed. Throws Error(kIo) naming the first tensor that differs.
void verify_written(const std::filesystem::path& folder, const Model& model,
                    Progress& progress = silent_progress());

/// Bytes that `write_hf` will need.
int64_t hf_bytes(const Model& model);

}  // namespace mop
