// repair/repair.h -- new values for what pruning left, from calibration text and without training.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/progress.h"
#include "model/model.h"
#include "model/weights.h"
#include "text/samples.h"

namespace mop {

struct RepairOptions {
  /// Ridge towards the weights as they are, as a fraction of the mean square of an input; 0 = 0.01,
  /// or 0.1 where there are fewer than 50 tokens for each input.
  double damping = 0;
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

/// A way to repair, by name.
struct Repair {
  std::string name;
  std::string summary;
  Model (*run)(const RepairInput& input, Progress& progress);
};
std::span<const Repair> all_repairs();
/// Throws Error(kUsage) listing the known names.
const Repair& find_repair(std::string_view name);

/// Every o_proj and down_proj that is left, first to last, becomes the least-squares solution of
/// giving the dense model's hidden states from the *pruned* model's activations:
///   W += [sum (t - W z) z^T] [sum z z^T + damping * mean(diag) I]^-1,  t = h_dense - h_pruned,
/// z the input of W in the pruned model as repaired so far, h_dense the dense hidden state behind
/// the same half layer; behind the removed layers that follow, too, so that the matrix before a gap
/// takes over what the gap added. The target with errors of earlier layers in it is that of GPTAQ
/// (arXiv 2504.02692, section 3) and Qronos (arXiv 2505.11695). One layer's sums and two streams of
/// hidden states are in memory; it costs one dense and two pruned forward passes beside the sums. Changed tensors
/// keep their stored dtype.
Model least_squares_repair(const RepairInput& input, Progress& progress);

}  // namespace mop
