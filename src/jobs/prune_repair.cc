// jobs/prune_repair.cc
#include "jobs/prune_repair.h"

#include <fmt/format.h>

#include <algorithm>

#include "gradient/layer_tape.h"
#include "model/family.h"
#include "model/forward.h"
#include "tensor/dtype.h"

namespace mop {
namespace {

// Memory for training one layer, in addition to the hidden states.
int64_t training_bytes(const ModelConfig& config, const Compute& compute, int64_t tokens) {
  const auto element = static_cast<int64_t>(dtype_bytes(compute.dtype));
  // Values, gradients and two moving averages in float32, and the copy in the compute dtype.
  const int64_t numbers =
      largest_layer(config) * (16 + (compute.dtype == at::kFloat ? 0 : element));
  const int64_t batch = std::min(tokens, 2 * kReconstructionTokens);
  const int64_t tape = batch * 2 * widest_elements(config) * element;
  return numbers + tape + tokens / 8 * config.hidden * element;  // and the held-out samples
}

}  // namespace

std::string repair_text(const Json& repair, int64_t tokens) {
  std::string text = repair["method"].get<std::string>();
  if (!repair_trains(repair) || tokens == 0) return text;
  const Options options("repair", repair);
  const double trained = static_cast<double>(options.get(kRepairSteps)) *
                         static_cast<double>(std::min(tokens, kReconstructionTokens));
  const double passes = 2 + static_cast<double>(kTapedCost) * trained / static_cast<double>(tokens);
  return text + fmt::format(
                    "; at the end every layer is trained for {} steps at {}, which costs as much "
                    "as {:.0f} forward passes over the calibration text",
                    options.get(kRepairSteps), options.get(kRepairRate), passes);
}

Needs repair_needs(const Json& repair, const ModelConfig& config, const Compute& compute,
                   int64_t tokens, int64_t stored_bytes_per_parameter) {
  const auto element = static_cast<int64_t>(dtype_bytes(compute.dtype));
  const int64_t widest = widest_inputs(config);
  int64_t inputs = 0;
  for (const LayerShape& shape : config.layers) {
    inputs += shape.heads * shape.head_dim + shape.mlp;
  }
  // Both streams of hidden states, the target after attention, and the copy that a pass overwrites;
  // sums in float32, the system and its factor in float64.
  const int64_t streams = 4 * tokens * config.hidden * element;
  const int64_t sums = widest * widest * (4 + 2 * 8) + widest * config.hidden * (4 + 3 * 8);
  Needs needs = {streams + sums, inputs * config.hidden * stored_bytes_per_parameter};
  if (repair_trains(repair)) {
    const int64_t training = training_bytes(config, compute, tokens);
    needs.memory_bytes = streams + std::max(sums, training);
    needs.disk_bytes += block_parameters(config) * stored_bytes_per_parameter;
  }
  return needs;
}

Model repaired(const RepairPass& pass, const PreparedRun& run, const Model& pruned,
               const std::filesystem::path& scratch, Progress& progress) {
  const Options options("repair", run.recipe.repair);
  return pass.run({run.dense, pruned, run.samples.calibration, run.compute, options, scratch},
                  progress);
}

}  // namespace mop
