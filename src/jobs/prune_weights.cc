// jobs/prune_weights.cc
#include "jobs/prune_weights.h"

#include <algorithm>

#include "model/family.h"
#include "tensor/dtype.h"

namespace mop {
Needs weights_needs(const Json& weights, const ModelConfig& config, const Compute& compute,
                    int64_t tokens, int64_t stored_bytes_per_parameter) {
  const auto element = static_cast<int64_t>(dtype_bytes(compute.dtype));
  const SparseMethod& row = find_sparse_method(weights["method"].get<std::string>());
  const int64_t widest = std::max(widest_inputs(config), config.hidden);
  // The hidden states and the copy that a pass overwrites; a matrix, its scores and its order.
  Needs needs = {2 * tokens * config.hidden * element + 4 * 8 * widest * config.hidden,
                 block_parameters(config) * stored_bytes_per_parameter};
  // Sums of one layer in float32, a factor and its inverse in float64.
  if (row.reads == SparseMethod::Reads::kGram) {
    needs.memory_bytes += widest * widest * (2 * 4 + 3 * 8) + 2 * config.hidden * config.hidden * 4;
  }
  return needs;
}

Model sparsified(const PreparedRun& run, const Model& pruned, const std::filesystem::path& scratch,
                 Progress& progress) {
  return sparsify(pruned, run.samples.calibration, run.compute, sparse_options(run.recipe.weights),
                  scratch, progress);
}

void check_weights(const PreparedRun& run, const ModelConfig& after) {
  const auto branches = mix_recipe(run.recipe).branches;
  const bool counted =
      run.accounting && std::ranges::none_of(branches, [&](const BranchUse& use) {
        return reach_of(*use.branch, run.dense.config(), use.options).layers_differ;
      });
  if (run.replay || counted || run.recipe.target.weights_alone) {
    check_pattern(run.recipe.weights, after);
  } else {
    check_pattern_of_any_sizes(run.recipe, run.dense.config());
  }
}

Json weights_metrics(const Json& weights, const Model& model) {
  const ZeroCount count = count_zeros(model);
  Json metrics = {{"method", weights["method"]}};
  for (const char* key : {"pattern", "sparsity"}) {
    if (weights.contains(key)) metrics[key] = weights[key];
  }
  metrics["zeros"] = count.zeros;
  metrics["weights"] = count.weights;
  metrics["zero_fraction"] =
      count.weights == 0 ? 0
                         : static_cast<double>(count.zeros) / static_cast<double>(count.weights);
  return metrics;
}

}  // namespace mop
