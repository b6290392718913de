// jobs/prune_steps.h -- run/steps/NN: records of each step. A step is complete when its plan.json
// exists.
#pragma once
#include <span>
#include <vector>

#include "base/json.h"
#include "jobs/step_scores.h"
#include "model/model.h"
#include "plan/target.h"
#include "run/run_folder.h"
#include "search/mix.h"

namespace mop {

/// Returns the result in the currency of the target: {currency, unit, dense, pruned,
/// removed_fraction}; null for parameters.
Json target_metrics(const Target& target, const ModelConfig& dense, const ModelConfig& after);

/// Returns the steps that an interrupted run completed, from 1. Steps after the first gap are
/// removed.
std::vector<PlanStep> read_steps(const RunFolder& folder);

/// Returns steps/NN/metrics.json: sizes after a step, cumulative fractions, and the metrics of the
/// selection.
Json step_metrics(const MixStep& step, const Model& dense, const ModelConfig& after);

/// Writes statistics and metrics, then the plan; the metrics get `scores` if any were measured
/// (jobs/score_counts.h).
void write_step(const RunFolder& folder, const MixStep& step, Json metrics,
                const StepMeasures& measured);

/// Returns one line per step for cards and summaries, from the records of the first `count` steps.
Json step_lines(const RunFolder& folder, size_t count);

}  // namespace mop
