// jobs/prune_card.h -- the metadata of a pruned checkpoint: its origin and model card.
#pragma once
#include <string>

#include "base/json.h"
#include "jobs/prepared_run.h"
#include "model/model.h"

namespace mop {

/// Returns {parameters, block_parameters, shape} of a model made from `dense`.
Json sizes_for_people(const ModelConfig& dense, const ModelConfig& config);
/// Returns the first part of a run's metrics: {dense, pruned, removed_fraction,
/// block_removed_fraction, costs, samples, and target if it counts another currency}. dense and
/// pruned are `sizes_for_people` with {layers}.
Json size_metrics(const PreparedRun& run, const Model& model);

/// Returns {model, recipe, figures}: the origin of the plan. A replay passes it on, so that it
/// writes the same model card.
Json made_by(const PreparedRun& run, const Json& figures);

/// Returns README.md, made from the plan's origin and run/metrics.json.
std::string card_text(const PreparedRun& run, const Model& model, const Json& origin,
                      const Json& metrics);

}  // namespace mop
