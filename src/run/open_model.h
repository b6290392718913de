// run/open_model.h -- opens a checkpoint and, optionally, an adapter.
#pragma once
#include <filesystem>
#include <optional>

#include "export/peft.h"

namespace mop {

/// Reports the notices about the model's files.
inline void tell_notes(const Model& model, Progress& progress) {
  for (const std::string& note : model.config().notes) progress.note("note: " + note);
}

/// Opens the checkpoint and reports its notices.
inline Model open_dense(const std::filesystem::path& model, Progress& progress) {
  Model opened = Model::open(model);
  tell_notes(opened, progress);
  return opened;
}

/// Opens the checkpoint and merges the PEFT adapter unless `adapter` is empty: in the stored dtype,
/// or in `dtype`. Throws as Model::open and with_adapter.
inline Model open_model(const std::filesystem::path& model, const std::filesystem::path& adapter,
                        Progress& progress, std::optional<at::ScalarType> dtype = std::nullopt) {
  Model opened = open_dense(model, progress);
  return adapter.empty() ? opened : with_adapter(opened, adapter, dtype, progress);
}

}  // namespace mop
