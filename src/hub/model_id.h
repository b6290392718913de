// hub/model_id.h -- model ids of the hub: org/name or org/name@revision.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace mop {

struct ModelId {
  std::string repo;               ///< "org/name"
  std::string revision = "main";  ///< a branch, a tag, `refs/pr/N` or a commit

  /// Returns "org/name", with "@revision" unless that is main.
  std::string text() const;
};

/// Parses a model id; nullopt when `text` can only be a path: it starts or ends with '/', starts
/// with '.', has no '/' or several, or contains invalid characters.
std::optional<ModelId> parse_model_id(std::string_view text);

/// Returns the id of a cache folder `.../models--org--name/snapshots/<commit>`, with the commit as
/// revision; nullopt for other paths.
std::optional<ModelId> id_of_snapshot(const std::filesystem::path& folder);

/// Returns whether the revision is a commit (40 lower-case hexadecimal digits), which never
/// changes.
bool is_commit(std::string_view revision);

}  // namespace mop
