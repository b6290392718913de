// cli/next_commands.h -- what to try with a pruned model.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace mop {

/// Command lines for the result of a pruning run in `out`, which work as they stand when they are
/// pasted into the shell that ran the program. They name the run's own
/// texts, as far as the verbs can read these.
std::vector<std::string> next_commands(const std::filesystem::path& out);

}  // namespace mop
