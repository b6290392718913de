// pipeline/open_model.h -- a model as a command names it: a checkpoint, and an adapter that belongs
// to it.
#pragma once
#include <filesystem>
#include <optional>

#include "export/peft.h"

namespace mop {

/// What the user should know of the model's files, a note each.
inline void tell_notes(const Model& model, Progress& progress) {
  for (const std::string& note : model.config().notes) progress.note("note: " + note);
}

/// The checkpoint; its notes are told.
inline Model open_dense(const std::filesystem::path& model, Progress& progress) {
  Model opened = Model::open(model);
  tell_notes(opened, progress);
  return opened;
}

/// The checkpoint, with the PEFT adapter merged unless `adapter` is empty: in the stored dtype, or
/// in the one that is computed in. Throws like Model::open and with_adapter.
inline Model open_model(const std::filesystem::path& model, const std::filesystem::path& adapter,
                        Progress& progress, std::optional<at::ScalarType> dtype = std::nullopt) {
  Model opened = open_dense(model, progress);
  return adapter.empty() ? opened : with_adapter(opened, adapter, dtype, progress);
}

}  // namespace mop
