// cli/model_argument.h -- MODEL on the command line: hub ids become local paths before a verb
// works.
#pragma once
#include <CLI/CLI.hpp>

#include "base/progress.h"
#include "pipeline/model_source.h"

namespace mop {

/// Replaces the value of every given option of `app` that is called MODEL, or whose type is
/// (`->type_name("MODEL")`), by the local path of what it names. For after parsing, so that nothing
/// is downloaded for a command that cannot run.
void resolve_models(CLI::App& app, ModelPart part, Progress& progress);

}  // namespace mop
