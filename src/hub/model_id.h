// hub/model_id.h -- a model's name on the hub: org/name, or org/name@revision.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace mop {

struct ModelId {
  std::string repo;               ///< "org/name"
  std::string revision = "main";  ///< a branch, a tag, `refs/pr/N` or a commit

  /// "org/name", with "@revision" unless that is main.
  std::string text() const;
};

/// The id that `text` spells, or nothing when it can only be a path: it starts or ends with '/',
/// starts with '.', has no or several '/', or characters that ids do not have.
std::optional<ModelId> parse_model_id(std::string_view text);

/// The id of a folder inside the cache, `.../models--org--name/snapshots/<commit>`, with the commit
/// as its revision; nothing for any other path.
std::optional<ModelId> id_of_snapshot(const std::filesystem::path& folder);

/// Forty lower-case hexadecimal digits: such a revision never moves.
bool is_commit(std::string_view revision);

}  // namespace mop
