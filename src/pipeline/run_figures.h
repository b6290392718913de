// pipeline/run_figures.h -- what the validation samples say of a run's models, as JSON.
#pragma once
#include "base/json.h"
#include "model/validation.h"
#include "pipeline/run_plan.h"

namespace mop {

/// {perplexity, nll, kl, cosine}
Json validation_json(const Validation& figures);

/// {protocol, source, samples, tokens, dtype, dense, pruned}; null when nothing was judged.
Json figures_json(const PreparedRun& run, const Json& dense, const Json& pruned);

}  // namespace mop
