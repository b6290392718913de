// pipeline/model_source.h -- MODEL, as users write it: a folder, a .gguf file, or a hub id. The one
// place where an id becomes a path; every verb, recipe and binding asks here.
#pragma once
#include <filesystem>
#include <string>

#include "base/progress.h"

namespace mop {

/// What a job reads of a model: downloads bring no more.
enum class ModelPart { kConfig, kTokenizer, kAll };

/// `text` itself when it is a path that exists or can only be a path; else the snapshot folder of
/// the hub id, from the shared cache or downloaded into it. Throws what fetch_model throws.
std::filesystem::path local_model(const std::string& text, Progress& progress,
                                  ModelPart part = ModelPart::kAll);

/// The name by which people know a model: its hub id with the commit when it lies in the cache,
/// else the last part of its path.
std::string model_name(const std::filesystem::path& model);

}  // namespace mop
