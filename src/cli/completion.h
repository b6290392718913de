// cli/completion.h -- shell completion and the manual page, generated from the declarations.
#pragma once
#include <string>

namespace mop {

/// Returns a script for `shell` (see `completion_shells`) that completes verbs, flags, names and
/// settings. Throws Error(kUsage) for another shell.
std::string completion_script(const std::string& shell);

/// Returns mop(1) in man macros.
std::string manual_page();

}  // namespace mop
