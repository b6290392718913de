// hub/model_id.cc
#include "hub/model_id.h"

#include <algorithm>

namespace mop {
namespace {

constexpr std::string_view kFolderPrefix = "models--";

bool name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

// Validates org or name. "--" stands for '/' in the cache, so names must not contain it.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 96 && std::ranges::all_of(text, name_character) &&
         text.front() != '.' && text.front() != '-' && text.back() != '.' && text.back() != '-' &&
         text.find("--") == text.npos && text.find("..") == text.npos;
}

// A revision becomes part of paths, so it must not contain "..".
bool is_revision(std::string_view text) {
  const auto allowed = [](char c) { return name_character(c) || c == '/'; };
  return !text.empty() && std::ranges::all_of(text, allowed) && text.find("..") == text.npos &&
         text.find("//") == text.npos && text.front() != '/' && text.back() != '/';
}

}  // namespace

std::string ModelId::text() const { return revision == "main" ? repo : repo + "@" + revision; }

std::optional<ModelId> parse_model_id(std::string_view text) {
  const size_t at = text.find('@');
  const std::string_view repo = text.substr(0, at);
  const size_t slash = repo.find('/');
  if (slash == repo.npos || !is_name(repo.substr(0, slash)) || !is_name(repo.substr(slash + 1)))
    return std::nullopt;
  ModelId id{std::string(repo)};
  if (at == text.npos) return id;
  id.revision = text.substr(at + 1);
  if (!is_revision(id.revision)) return std::nullopt;
  return id;
}

std::optional<ModelId> id_of_snapshot(const std::filesystem::path& folder) {
  const auto path = std::filesystem::absolute(folder / "").lexically_normal().parent_path();
  const std::string commit = path.filename().string();
  const std::string repo = path.parent_path().parent_path().filename().string();
  if (!is_commit(commit) || path.parent_path().filename() != "snapshots" ||
      !repo.starts_with(kFolderPrefix))
    return std::nullopt;
  std::string name = repo.substr(kFolderPrefix.size());
  const size_t dashes = name.find("--");
  if (dashes != name.npos) name.replace(dashes, 2, "/");
  return ModelId{name, commit};
}

bool is_commit(std::string_view revision) {
  const auto hexadecimal = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return revision.size() == 40 && std::ranges::all_of(revision, hexadecimal);
}

}  // namespace mop
