// pipeline/score_counts.h -- what a step's scores looked like, small enough to be kept of every
// run.
#pragma once
#include "base/json.h"
#include "pipeline/run_measure.h"
#include "plan/plan.h"

namespace mop {

/// For every criterion that the step measured, and for its curves, the units of one kind counted by
/// score: [{criterion, unit, scale: "log" | "linear", edges, kept, removed, below: {kept,
/// removed}}]. `edges` are one more than the counts; `below` holds scores under the first edge,
/// zeros on a logarithmic scale. Kinds that a layer has one of, itself say, are listed instead:
/// `layers:
/// [{layer, score, removed}]`, layers and units as numbered in the source. `taken` is the step that
/// was chosen. Empty when nothing was measured.
Json score_counts(const StepMeasures& measured, const PlanStep& taken);

}  // namespace mop
