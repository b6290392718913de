// repair/repair.h -- computes new values for the remaining weights, layer by layer, from
// calibration text.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "base/progress.h"
#include "model/model.h"
#include "model/weights.h"
#include "text/samples.h"

namespace mop {

/// Input of a repair.
struct RepairInput {
  const Model& dense;
  const Model& pruned;  ///< must be a view of the same checkpoint
  const TokenSamples& samples;
  const Compute& compute;
  const Options& options;         ///< the section `repair`, as the row declares it
  std::filesystem::path scratch;  ///< folder for the unnamed files of changed tensors
};

/// One pass of a repair; returns a model with new values.
struct RepairPass {
  Model (*run)(const RepairInput& input, Progress& progress) = nullptr;
  std::string_view advice = {};  ///< what to change when the pass made the held-out loss worse
};

/// A row of the table of repairs.
struct Repair {
  std::string name;
  std::string summary;
  RepairPass solve;  ///< applied to every candidate where steps are repaired
  /// Applied once at the end, after all steps and `solve`.
  std::optional<RepairPass> finish = std::nullopt;
  /// Whether `solve` gives the model tensors that it did not have. Such a repair is applied once,
  /// at the end: a plan's steps say what is removed and how many parameters are left, and the next
  /// step would count the added ones, which a replay of the steps does not have.
  bool adds_tensors = false;
  std::string source = {};               ///< paper and equation
  std::vector<OptionSpec> options = {};  ///< in the section `repair`
  std::vector<int> deviations = {};      ///< from the paper, by number: docs/method.md
};
std::span<const Repair> all_repairs();
/// Throws Error(kUsage) listing the known names.
const Repair& find_repair(std::string_view name);

/// Ridge towards the current weights, relative to the mean square of an input; 0 = 0.01, or 0.1
/// with fewer than 50 tokens per input.
extern const Option<double> kRepairDamping;

/// Solves every remaining o_proj and down_proj, first to last, by least squares so that the
/// *pruned* model's activations give the dense model's hidden states:
///   W += [sum (t - W z) z^T] [sum z z^T + damping * mean(diag) I]^-1,
/// t = h_dense - h_pruned, z the input of W in the pruned model as repaired so far, h_dense the
/// dense hidden state after the same half layer. If removed halves and layers follow, h_dense is
/// taken after them, so that the matrix before a gap also compensates for the gap. This target,
/// which includes errors of earlier layers, is that of GPTAQ (arXiv 2504.02692, section 3) and
/// Qronos (arXiv 2505.11695). Memory: one layer's sums and two streams of hidden states. Time: one
/// dense and two pruned forward passes, and the sums. Changed tensors keep their stored dtype.
Model least_squares_repair(const RepairInput& input, Progress& progress);

/// Adds a bias to every o_proj and down_proj that lost inputs: the dense matrix times the mean of
/// its removed inputs in the dense model, over all calibration tokens. Changes nothing else.
/// Source: FLAP (arXiv 2312.11983), bias compensation.
Model bias_repair(const RepairInput& input, Progress& progress);

extern const Option<int64_t> kRepairSteps;  ///< training steps per layer
extern const Option<double> kRepairRate;    ///< of the first step; decreases linearly to 0
/// Approximate tokens per training step: whole samples are added until it is reached.
inline constexpr int64_t kReconstructionTokens = 1024;

/// Trains all weights of each layer (projections, norms, biases), first to last, by Adam on the
/// mean over tokens of |layer(h_pruned) - h_dense|^2 / |h_dense|^2. h_pruned is the output of the
/// layers before it as already repaired, h_dense the dense model's hidden states after the same
/// layer, or after the removed halves and layers that follow it. Every sixteenth sample, at least
/// one, is held out: a layer whose held-out error does not decrease keeps its old weights. Batches
/// use a fixed seed, so equal input gives equal bytes. Memory: two streams of hidden states, one
/// layer with a tape, and four float32 numbers per weight of the layer. Changed tensors keep their
/// stored dtype. Throws Error(kUsage) with fewer than two samples. Source: layer-wise
/// reconstruction (BRECQ, arXiv 2102.05426, section 3.2).
Model reconstruct_layers(const RepairInput& input, Progress& progress);

}  // namespace mop
