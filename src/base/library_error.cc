// base/library_error.cc
#include "base/library_error.h"

#include <yaml-cpp/exceptions.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace mop {

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
  if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&e)) {
    Error error = io_error("the file system refuses: {}", file->code().message());
    for (const auto& path : {file->path1(), file->path2()}) {
      if (!path.empty()) error = std::move(error).where("file", path.string());
    }
    return error;
  }
  if (dynamic_cast<const std::length_error*>(&e) != nullptr ||
      dynamic_cast<const std::out_of_range*>(&e) != nullptr)
    return bad_input("a size in a file is not plausible: {}", e.what());
  return std::nullopt;
}

}  // namespace mop
