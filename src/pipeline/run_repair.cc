// pipeline/run_repair.cc
#include "pipeline/run_repair.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/options.h"
#include "gradient/layer_tape.h"
#include "model/family.h"
#include "model/forward.h"
#include "pipeline/recipe_options.h"
#include "pipeline/recipe_sections.h"
#include "tensor/dtype.h"

namespace mop {
namespace {

RepairOptions repair_options(const Json& resolved) {
  const Options options("repair", resolved);
  return {.damping = options.get(kRepairDamping),
          .steps = options.get(kRepairSteps),
          .learning_rate = options.get(kRepairRate)};
}

const Repair& repair_of(const Json& resolved) {
  return find_repair(resolved["method"].get<std::string>());
}

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

Json resolved_repair(const Json& section) {
  if (!section.is_object()) {
    throw usage_error("repair must be a map of settings, got {}", section.dump())
        .hint("repair: {method: least-squares}, or {method: none}");
  }
  const Options given("repair", section);
  const std::string method = given.get(recipe_options::kRepair, std::string("least-squares"));
  const std::vector<OptionSpec>& own = find_repair(method).options;
  std::vector<OptionSpec> declared = options_of(prune_sections(), "repair");
  for (const OptionSpec& spec : own) {
    if (spec.name != kRepairDamping.name) declared.push_back(spec);
  }
  const Options options("repair", section, declared);
  Json resolved = {{"method", method},
                   {"damping", options.get(kRepairDamping)},
                   {"when", options.get(recipe_options::kWhen, std::string("end"))}};
  resolved.update(filled_in(options, own));
  return resolved;
}

bool repairs_steps(const Json& repair) { return !repair.is_null() && repair["when"] == "steps"; }

std::vector<RepairPass> repairs_at_end(const Json& repair) {
  std::vector<RepairPass> passes;
  if (repair.is_null()) return passes;
  const Repair& row = repair_of(repair);
  if (!repairs_steps(repair)) passes.push_back(row.solve);
  if (row.finish) passes.push_back(*row.finish);
  return passes;
}

const RepairPass& repair_of_steps(const Json& repair) { return repair_of(repair).solve; }

bool repair_trains(const Json& repair) {
  return !repair.is_null() && repair_of(repair).finish.has_value();
}

std::string repair_text(const Json& repair, int64_t tokens) {
  std::string text = repair["method"].get<std::string>();
  if (!repair_trains(repair) || tokens == 0) return text;
  const RepairOptions options = repair_options(repair);
  const double trained = static_cast<double>(options.steps) *
                         static_cast<double>(std::min(tokens, kReconstructionTokens));
  const double passes = 2 + static_cast<double>(kTapedCost) * trained / static_cast<double>(tokens);
  return text + fmt::format(
                    "; at the end every layer is trained for {} steps at {}, which costs as much "
                    "as {:.0f} forward passes over the calibration text",
                    options.steps, options.learning_rate, passes);
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
  const RepairOptions options = repair_options(run.recipe.repair);
  return pass.run({run.dense, pruned, run.samples.calibration, run.compute, options, scratch},
                  progress);
}

}  // namespace mop
