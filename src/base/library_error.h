// base/library_error.h -- what libraries throw, as the one kind of error.
#pragma once
#include <exception>
#include <optional>
#include <string>

#include "base/error.h"

namespace mop {

/// What a JSON error complains of, without the library's name for it.
std::string json_complaint(const std::exception& e);

/// The user's error for an exception of the JSON and YAML libraries, of the file system or of a
/// container. Empty for others, mop::Error among them.
std::optional<Error> library_error(const std::exception& e);

}  // namespace mop
