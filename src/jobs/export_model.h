// jobs/export_model.h -- writes a model in another format and verifies it by reading it back.
#pragma once
#include <filesystem>
#include <string>

#include "base/json.h"
#include "base/progress.h"

namespace mop {

struct ExportJob {
  std::filesystem::path model;    ///< a folder or a .gguf file
  std::filesystem::path adapter;  ///< a PEFT adapter folder to merge, empty = none
  std::filesystem::path out;      ///< a new folder or file, depending on the format
  std::string format;             ///< see `mop list formats`
  std::string dtype;              ///< of the format; empty = as stored
  bool force = false;             ///< replaces an existing file
};

/// Writes `out` completely or not at all: it appears after it was read back and its logits were
/// compared. Returns {format, out, bytes, logits_difference, notes}. Throws Error(kUsage) for an
/// unknown format or dtype, Error(kBadInput) for a model that the format cannot express or an
/// existing `out`.
Json export_model(const ExportJob& job, Progress& progress);

}  // namespace mop
