// pipeline/export_model.h -- a model written in another format, and read back before it is called
// done.
#pragma once
#include <filesystem>
#include <string>

#include "base/json.h"
#include "base/progress.h"

namespace mop {

struct ExportJob {
  std::filesystem::path model;    ///< a folder or a .gguf file
  std::filesystem::path adapter;  ///< a PEFT adapter folder to merge, empty = none
  std::filesystem::path out;      ///< a new folder or file, as the format says
  std::string format;             ///< see `mop list formats`
  std::string dtype;              ///< of the format; empty = as stored
  bool force = false;             ///< replaces an existing file
};

/// Writes `out` whole or not at all: what was written is read back and its logits are compared
/// first. Returns {format, out, bytes, logits_difference, notes}. Throws Error(kUsage) for an
/// unknown format or dtype, Error(kBadInput) for a model that the format cannot express or an `out`
/// that exists.
Json export_model(const ExportJob& job, Progress& progress);

}  // namespace mop
