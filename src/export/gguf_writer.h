// export/gguf_writer.h -- writes a model as a GGUF file for llama.cpp.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "checkpoint/gguf.h"
#include "model/model.h"

namespace mop {

/// Writes `file`, with one tensor in memory at a time. The architecture is `llama`, `qwen2` or
/// `qwen3` for equal layers, `deci` for layers that differ. If `type` is unset, matrices keep their
/// stored dtype. Equal models give equal bytes. Returns notices for users, one line each. Throws
/// Error(kBadInput) for models that llama.cpp cannot express, before anything is written, and for
/// values out of the type's range; Error(kIo).
std::vector<std::string> write_gguf(const Model& model, const std::filesystem::path& file,
                                    std::optional<GgmlType> type,
                                    Progress& progress = silent_progress());

/// Reads `written` (a GGUF file or a folder) with our own reader, runs both models in float32 on a
/// few fixed tokens and returns max|a - b| / max|a| of the logits. Throws Error(kIo) if it is above
/// `tolerance`.
double verify_logits(const Model& model, const std::filesystem::path& written, double tolerance);

/// Returns the tolerance of `verify_logits` for this type; lossless types may differ by the order
/// of sums.
double logits_tolerance(const Model& model, std::optional<GgmlType> type);

}  // namespace mop
