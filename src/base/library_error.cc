// base/library_error.cc
#include "base/library_error.h"

#include <yaml-cpp/exceptions.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace mop {
namespace {

// Splits "filesystem error: cannot remove all: Input/output error [/path]" into message and path.
Error file_system_error(const std::filesystem::filesystem_error& e) {
  std::string_view what = e.what();
  constexpr std::string_view kPrefix = "filesystem error: ";
  if (what.starts_with(kPrefix)) what.remove_prefix(kPrefix.size());
  what = what.substr(0, what.find(':'));
  return io_error("{}: {}", what, e.code().message()).where("path", e.path1().string());
}

}  // namespace

std::string json_complaint(const std::exception& e) {
  std::string text = e.what();
  if (const size_t name_end = text.find("] "); text.starts_with('[') && name_end != text.npos)
    text.erase(0, name_end + 2);
  return text;
}

std::optional<Error> library_error(const std::exception& e) {
  if (dynamic_cast<const nlohmann::json::exception*>(&e) != nullptr) {
    return bad_input("a JSON value is of another kind than is expected there: {}",
                     json_complaint(e))
        .hint("a file of the model, a recipe or a plan is damaged or of another program");
  }
  if (dynamic_cast<const YAML::Exception*>(&e) != nullptr)
    return bad_input("not valid YAML: {}", e.what());
  if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&e))
    return file_system_error(*file);
  if (dynamic_cast<const std::length_error*>(&e) != nullptr ||
      dynamic_cast<const std::out_of_range*>(&e) != nullptr)
    return bad_input("a size in a file is not plausible: {}", e.what());
  return std::nullopt;
}

}  // namespace mop
