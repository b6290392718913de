// jobs/prune_figures.h -- metrics of a run's models on the validation samples, as JSON.
#pragma once
#include "base/json.h"
#include "jobs/prepared_run.h"
#include "model/validation.h"

namespace mop {

/// Returns {perplexity, nll, kl, cosine}.
Json validation_json(const Validation& figures);

/// Returns {protocol, source, samples, tokens, dtype, dense, pruned}; null without validation
/// samples.
Json figures_json(const PreparedRun& run, const Json& dense, const Json& pruned);

}  // namespace mop
