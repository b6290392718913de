// criteria/trained_gates.h -- damage curves from gates on KV groups and neurons that are trained
// under a sparsity constraint.
#pragma once
#include <filesystem>
#include <vector>

#include "base/progress.h"
#include "criteria/damage_curves.h"
#include "model/weights.h"
#include "text/samples.h"

namespace mop {

/// Trains hard-concrete gates (solve/hard_concrete.h) on every KV group and neuron; weights are
/// fixed. Each of `steps` steps draws about `batch_tokens` tokens of complete samples and one value
/// per gate, and takes an Adam step on
///   mean cross-entropy + lambda_1 (c - t) + lambda_2 (c - t)^2,
/// where c is the expected closed fraction of all gates' cost and t its target, which rises
/// linearly during the first half of the steps; the lambdas take an ascent step of the same size.
/// Source: L0 regularisation (arXiv 1712.01312), CoFi (arXiv 2204.00408, section 2.3), Sheared
/// LLaMA (arXiv 2310.06694, section 3.1). The curves order units by the probability that their gate
/// is open, lowest first; the damage of a unit is that probability times its cost, so that
/// minimising damage per cost applies one threshold to all gates. Throws Error(kBadInput) without a
/// sample of at least two tokens.
std::vector<LayerCurves> trained_gate_curves(const Model& model, const Compute& compute,
                                             const TokenSamples& samples,
                                             const GateTraining& training,
                                             const std::filesystem::path& scratch,
                                             Progress& progress);

}  // namespace mop
