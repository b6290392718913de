// base/library_error.h -- converts exceptions of other libraries to mop::Error.
#pragma once
#include <exception>
#include <optional>
#include <string>

#include "base/error.h"

namespace mop {

/// Returns the message of a JSON error without the library's prefix.
std::string json_complaint(const std::exception& e);

/// Converts an exception of the JSON and YAML libraries, the file system or a container. Returns
/// nullopt for other types, including mop::Error.
std::optional<Error> library_error(const std::exception& e);

}  // namespace mop
