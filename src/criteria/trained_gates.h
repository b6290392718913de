// criteria/trained_gates.h -- gates on KV groups and neurons that are trained until as much is
// closed as is to go: what a gate's probability says of its unit.
#pragma once
#include <filesystem>
#include <vector>

#include "base/progress.h"
#include "criteria/damage_curves.h"
#include "model/weights.h"
#include "text/samples.h"

namespace mop {

/// Hard-concrete gates (solve/hard_concrete.h) on every KV group and neuron; weights stay. Each of
/// `steps` steps draws about `batch_tokens` tokens of whole samples and one value of every gate,
/// and takes an Adam step on
///   mean cross-entropy + lambda_1 (c - t) + lambda_2 (c - t)^2,
/// c the fraction of the price of all gates that is expected to be closed, t what should be, rising
/// linearly to the target through the first half of the steps; the lambdas rise by the same step
/// against it. Source: L0 regularisation (arXiv 1712.01312), CoFi (arXiv 2204.00408, section 2.3),
/// Sheared LLaMA (arXiv 2310.06694, section 3.1).
/// The curves order units by the probability that their gate is open, lowest first; the damage of
/// each is that times its price, so that the least damage for its price is one threshold for all.
/// Throws Error(kBadInput) without a sample that predicts something.
std::vector<LayerCurves> trained_gate_curves(const Model& model, const Compute& compute,
                                             const TokenSamples& samples,
                                             const GateTraining& training,
                                             const std::filesystem::path& scratch,
                                             Progress& progress);

}  // namespace mop
