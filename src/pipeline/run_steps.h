// pipeline/run_steps.h -- run/steps/NN: what each step did. A step counts as done when its
// plan.json is there.
#pragma once
#include <span>
#include <vector>

#include "base/json.h"
#include "model/model.h"
#include "pipeline/run_folder.h"
#include "pipeline/run_measure.h"
#include "plan/target.h"
#include "search/mix.h"

namespace mop {

/// What a target that counts something else than parameters has come to: {currency, unit, dense,
/// pruned, removed_fraction}; null for parameters.
Json target_metrics(const Target& target, const ModelConfig& dense, const ModelConfig& after);

/// The steps that an interrupted run finished, from 1. What follows the first gap is removed.
std::vector<PlanStep> read_steps(const RunFolder& folder);

/// Sizes after a step, cumulative fractions, and the figures that decided. steps/NN/metrics.json.
Json step_metrics(const MixStep& step, const Model& dense, const ModelConfig& after);

/// Statistics and metrics first, the plan last; the metrics get `scores` where some were measured
/// (pipeline/score_counts.h).
void write_step(const RunFolder& folder, const MixStep& step, Json metrics,
                const StepMeasures& measured);

/// One line per step for cards and summaries, from what the first `count` steps recorded.
Json step_lines(const RunFolder& folder, size_t count);

}  // namespace mop
