// run/model_source.h -- resolves a MODEL argument: a folder, a .gguf file, or a hub id. All
// verbs, recipes and the binding use it.
#pragma once
#include <filesystem>
#include <string>

#include "base/progress.h"

namespace mop {

/// The part of a model that a job reads; only this part is downloaded.
enum class ModelPart { kConfig, kTokenizer, kAll };

/// Returns `text` if it is an existing path or cannot be a hub id; else the snapshot folder of the
/// hub id, from the shared cache or downloaded into it. Throws as fetch_model.
std::filesystem::path local_model(const std::string& text, Progress& progress,
                                  ModelPart part = ModelPart::kAll);

/// Returns a readable name of a model: its hub id with the commit if it is in the cache, else the
/// last part of its path.
std::string model_name(const std::filesystem::path& model);

}  // namespace mop
