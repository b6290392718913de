// jobs/score_counts.h -- histograms of a step's scores, small enough to be stored for every
// run.
#pragma once
#include "base/json.h"
#include "jobs/step_scores.h"
#include "plan/plan.h"

namespace mop {

/// Counts the units of each kind by score, for every criterion that the step measured and for its
/// curves: [{criterion, unit, scale: "log" | "linear", edges, kept, removed, below: {kept,
/// removed}}]. `edges` has one more entry than the counts; `below` counts scores below the first
/// edge, zeros on a logarithmic scale. Kinds with one unit per layer are listed instead: `layers:
/// [{layer, score, removed}]`, with layers and units numbered as in the source. `taken` is the
/// selected step. Empty if nothing was measured.
Json score_counts(const StepMeasures& measured, const PlanStep& taken);

}  // namespace mop
