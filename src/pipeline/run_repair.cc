// pipeline/run_repair.cc
#include "pipeline/run_repair.h"

#include <algorithm>

#include "base/error.h"
#include "base/options.h"
#include "tensor/dtype.h"

namespace mop {

Json resolved_repair(const Json& section) {
  if (!section.is_object()) {
    throw usage_error("repair must be a map of settings, got {}", section.dump())
        .hint("repair: {method: least-squares}");
  }
  const Options options("repair", section);
  const std::string method = options.text("method", "least-squares");
  const double damping = options.number("damping", 0);
  const std::string when = options.text("when", "end");
  options.check_all_used();
  if (when != "end" && when != "steps") {
    throw usage_error("unknown repair.when '{}'", when).hint("known: end, steps");
  }
  find_repair(method);
  if (!(damping >= 0)) throw usage_error("repair.damping must not be negative, got {}", damping);
  return {{"method", method}, {"damping", damping}, {"when", when}};
}

bool repairs_steps(const Json& repair) { return !repair.is_null() && repair["when"] == "steps"; }

Needs repair_needs(const ModelConfig& config, const Compute& compute, int64_t tokens,
                   int64_t stored_bytes_per_parameter) {
  const auto element = static_cast<int64_t>(dtype_bytes(compute.dtype));
  int64_t widest = 0, inputs = 0;
  for (const LayerShape& shape : config.layers) {
    widest = std::max({widest, shape.heads * shape.head_dim, shape.mlp});
    inputs += shape.heads * shape.head_dim + shape.mlp;
  }
  // Both streams, the target behind attention, and the copy that a pass overwrites; sums in
  // float32, the system and its factor in float64.
  const int64_t streams = 4 * tokens * config.hidden * element;
  const int64_t sums = widest * widest * (4 + 2 * 8) + widest * config.hidden * (4 + 3 * 8);
  return {streams + sums, inputs * config.hidden * stored_bytes_per_parameter};
}

Model repaired(const PreparedRun& run, const Model& pruned, const std::filesystem::path& scratch,
               Progress& progress) {
  const Options options("repair", run.recipe.repair);
  const Repair& repair = find_repair(options.text("method", ""));
  options.text("when", "");
  const RepairOptions settings = {.damping = options.number("damping", 0)};
  return repair.run({run.dense, pruned, run.samples.calibration, run.compute, settings, scratch},
                    progress);
}

}  // namespace mop
