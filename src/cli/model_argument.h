// cli/model_argument.h -- resolves MODEL on the command line: hub ids become local paths before a
// verb runs.
#pragma once
#include <CLI/CLI.hpp>

#include "base/progress.h"
#include "run/model_source.h"

namespace mop {

/// Replaces the value of every given option of `app` that is named MODEL or has that type
/// (`->type_name("MODEL")`) by a local path. Call after parsing, so that nothing is downloaded for
/// an invalid command.
void resolve_models(CLI::App& app, ModelPart part, Progress& progress);

}  // namespace mop
