// pipeline/run_steps.h -- run/steps/NN: what each step did. A step counts as done when its
// plan.json is there.
#pragma once
#include <span>
#include <vector>

#include "base/json.h"
#include "model/model.h"
#include "pipeline/run_folder.h"
#include "search/mix.h"
#include "stats/layer_stats.h"

namespace mop {

/// The steps that an interrupted run finished, from 1. What follows the first gap is removed.
std::vector<PlanStep> read_steps(const RunFolder& folder);

/// Sizes after a step, cumulative fractions, and the figures that decided. steps/NN/metrics.json.
Json step_metrics(const MixStep& step, const Model& dense, const ModelConfig& after);

/// Statistics and metrics first, the plan last. `stats` is empty when nothing was measured.
void write_step(const RunFolder& folder, const MixStep& step, const Json& metrics,
                std::span<const LayerStats> stats);

}  // namespace mop
