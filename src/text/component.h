// text/component.h -- parts of a tokenizer.json are selected by `type`; each kind of part has one
// table.
#pragma once
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/narrow.h"

namespace mop {

/// Sorted keys, unlike mop::Json: objects of 100,000 tokens need fast lookup.
using PartJson = nlohmann::json;

/// Parses the file. Throws Error(kIo) when it cannot be read, Error(kBadInput) when it is not a
/// JSON object.
PartJson read_part_json(const std::filesystem::path& path);

/// A row of a table of parts.
template <typename Made>
struct Component {
  std::string_view type;
  Made (*make)(const PartJson& part);
};

/// Returns `part[key]`, or `fallback` when it is absent or null. Throws Error(kBadInput) for
/// another type.
template <typename T>
T part_field(const PartJson& part, const char* key, T fallback) {
  const auto it = part.find(key);
  if (it == part.end() || it->is_null()) return fallback;
  if constexpr (std::is_same_v<T, int64_t>) {
    return whole_number(*it, fmt::format("`{}`", key));
  } else {
    try {
      return it->template get<T>();
    } catch (const nlohmann::json::exception&) {
      throw bad_input("`{}` has the wrong type: {}", key, it->dump().substr(0, 60));
    }
  }
}

/// Creates the part that `part["type"]` names. Throws Error(kBadInput) listing the known types.
template <typename Made>
Made make_component(std::span<const Component<Made>> table, const PartJson& part,
                    std::string_view kind) {
  if (!part.is_object()) throw bad_input("a {} is not an object", kind);
  const auto type = part_field<std::string>(part, "type", "");
  const auto row =
      std::find_if(table.begin(), table.end(), [&](const auto& r) { return r.type == type; });
  if (row != table.end()) return row->make(part);
  std::string known;
  for (const auto& r : table) known += (known.empty() ? "" : ", ") + std::string(r.type);
  throw bad_input("{} '{}' is not supported", kind, type).hint("known: " + known);
}

/// Creates the parts listed under `key` of a Sequence.
template <typename Made>
std::vector<Made> make_components(const PartJson& part, const char* key,
                                  Made (*make)(const PartJson&)) {
  const auto it = part.find(key);
  if (it == part.end() || !it->is_array()) throw bad_input("a Sequence has no list `{}`", key);
  std::vector<Made> made;
  for (const PartJson& p : *it) made.push_back(make(p));
  return made;
}

}  // namespace mop
