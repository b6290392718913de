// repair/repair.h -- new values for what pruning left, layer by layer, from calibration text.
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

struct RepairOptions {
  /// Ridge towards the weights as they are, as a fraction of the mean square of an input; 0 = 0.01,
  /// or 0.1 where there are fewer than 50 tokens for each input.
  double damping = 0;
  int64_t steps = 200;          ///< of training, for each layer
  double learning_rate = 5e-4;  ///< of the first step; falls linearly to 0
};

/// What a repair works on.
struct RepairInput {
  const Model& dense;
  const Model& pruned;  ///< a view of the same checkpoint
  const TokenSamples& samples;
  const Compute& compute;
  const RepairOptions& options;
  std::filesystem::path scratch;  ///< a folder in which changed tensors lie, without names
};

/// One pass of a repair: a model with new values.
struct RepairPass {
  Model (*run)(const RepairInput& input, Progress& progress) = nullptr;
  std::string_view advice = {};  ///< what helps where held-out text is the worse for it
};

/// A way to repair, by name.
struct Repair {
  std::string name;
  std::string summary;
  RepairPass solve;  ///< of every candidate, where steps are repaired
  std::optional<RepairPass> finish = std::nullopt;  ///< once, of what all steps and `solve` left
  std::string source = {};                          ///< paper and equation
  std::vector<OptionSpec> options = {};             ///< in the section `repair`
  std::vector<int> deviations = {};                 ///< from the paper, by number: docs/method.md
};
/// `repair.damping`, which every repair takes, and what those that train read besides.
extern const Option<double> kRepairDamping;
extern const Option<int64_t> kRepairSteps;
extern const Option<double> kRepairRate;
std::span<const Repair> all_repairs();
/// Throws Error(kUsage) listing the known names.
const Repair& find_repair(std::string_view name);

/// Every o_proj and down_proj that is left, first to last, becomes the least-squares solution of
/// giving the dense model's hidden states from the *pruned* model's activations:
///   W += [sum (t - W z) z^T] [sum z z^T + damping * mean(diag) I]^-1,  t = h_dense - h_pruned,
/// z the input of W in the pruned model as repaired so far, h_dense the dense hidden state behind
/// the same half layer; behind the removed halves and layers that follow, too, so that the matrix
/// before a gap takes over what the gap added. The target with errors of earlier layers in it is
/// that of GPTAQ (arXiv 2504.02692, section 3) and Qronos (arXiv 2505.11695). One layer's sums and
/// two streams of hidden states are in memory; it costs one dense and two pruned forward passes
/// beside the sums. Changed tensors keep their stored dtype.
Model least_squares_repair(const RepairInput& input, Progress& progress);

/// Every o_proj and down_proj that lost inputs gets a bias: the dense matrix times the mean of what
/// entered its lost columns in the dense model, over all calibration tokens. Nothing else changes.
/// Source: FLAP (arXiv 2312.11983), bias compensation.
Model bias_repair(const RepairInput& input, Progress& progress);

/// Tokens of a training step, about: whole samples until there are so many.
inline constexpr int64_t kReconstructionTokens = 1024;

/// Layer by layer, first to last, all weights of a layer (projections, norms, biases) are trained
/// by Adam on the mean over tokens of |layer(h_pruned) - h_dense|^2 / |h_dense|^2, h_pruned behind
/// the layers before it as they have become, h_dense the dense model's hidden states behind the
/// same layer; behind the removed halves and layers that follow, too. Every sixteenth sample, at
/// least one, is not trained on: where its error does not fall, the layer keeps its bytes. Batches
/// are drawn by a fixed seed, so the same input gives the same bytes. In memory: two streams of
/// hidden states, one layer with a tape, and four float32 numbers for each of its weights. Changed
/// tensors keep their stored dtype. Throws Error(kUsage) with fewer than two samples. Source:
/// layer-wise reconstruction (BRECQ, arXiv 2102.05426, section 3.2).
Model reconstruct_layers(const RepairInput& input, Progress& progress);

}  // namespace mop
