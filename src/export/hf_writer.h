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
  std::string model_card;               ///< README.md's text; empty = none
};

/// The config.json of this model: sizes from its layers, head_dim explicit, rope in both spellings, per-layer
/// lists cut, unknown keys copied through. Throws Error(kBadInput) when the layers differ in a way that the
/// stock reader cannot express.
Json hf_config(const Model& model);

/// Writes into the existing, empty folder: shards (streamed, one tensor in memory at a time), index, config,
/// tokenizer files and licence copied unchanged, generation_config. Same model, same bytes.
/// Throws Error(kIo), for instance when the disk is full.
void write_hf(const Model& model, const std::filesystem::path& folder, const HfWriteOptions& options = {},
              Progress& progress = silent_progress());

/// Bytes that `write_hf` will need.
int64_t hf_bytes(const Model& model);

}  // namespace mop
