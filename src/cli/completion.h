// cli/completion.h -- the program as its shells and its manual see it, from the declarations.
#pragma once
#include <string>

namespace mop {

/// A script for `shell` (see `completion_shells`) that completes verbs, flags, names and settings.
/// Throws Error(kUsage) for another shell.
std::string completion_script(const std::string& shell);

/// mop(1) in the man macros.
std::string manual_page();

}  // namespace mop
