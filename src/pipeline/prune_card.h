// pipeline/prune_card.h -- what a pruned checkpoint says about itself: its origin and model card.
#pragma once
#include <string>

#include "base/json.h"
#include "model/model.h"
#include "pipeline/run_plan.h"

namespace mop {

/// {parameters, block_parameters, shape} of a model made of `dense`.
Json sizes_for_people(const ModelConfig& dense, const ModelConfig& config);
/// The beginning of a run's metrics: {dense, pruned, removed_fraction, block_removed_fraction,
/// costs, samples, and target where it counts something else than parameters}. dense and pruned are
/// `sizes_for_people` with {layers}.
Json size_metrics(const PreparedRun& run, const Model& model);

/// {model, recipe, figures}: where the plan comes from. A replay passes it on, so that it writes
/// the same model card.
Json made_by(const PreparedRun& run, const Json& figures);

/// README.md from the plan's origin and run/metrics.json.
std::string card_text(const PreparedRun& run, const Model& model, const Json& origin,
                      const Json& metrics);

}  // namespace mop
