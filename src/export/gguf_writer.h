// export/gguf_writer.h -- a model as a GGUF file that llama.cpp runs.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "checkpoint/gguf.h"
#include "model/model.h"

namespace mop {

/// Writes `file`, streamed, one tensor in memory at a time: architecture `llama`, `qwen2` or
/// `qwen3` for equal layers, `deci` for layers that differ. `type` unset: matrices as stored. Same
/// model, same bytes. Returns what users should know, a line each. Throws Error(kBadInput) for what
/// llama.cpp cannot express, before anything is written, and for values that the type cannot hold;
/// Error(kIo).
std::vector<std::string> write_gguf(const Model& model, const std::filesystem::path& file,
                                    std::optional<GgmlType> type,
                                    Progress& progress = silent_progress());

/// Reads `written` (a GGUF file or a folder) with our own reader and runs both models in float32
/// over a few fixed tokens. Returns max|a - b| / max|a| of the logits. Throws Error(kIo) when it is
/// above `tolerance`.
double verify_logits(const Model& model, const std::filesystem::path& written, double tolerance);

/// How far the logits of a file of this type may be from those of the model: exact types may differ
/// by the order of sums.
double logits_tolerance(const Model& model, std::optional<GgmlType> type);

}  // namespace mop
