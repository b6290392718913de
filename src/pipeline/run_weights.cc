// pipeline/run_weights.cc
#include "pipeline/run_weights.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/options.h"
#include "model/family.h"
#include "repair/sparse_weights.h"
#include "report/table.h"
#include "tensor/dtype.h"

namespace mop {
namespace {

SparseOptions sparse_options(const Json& resolved) {
  const Options options("weights", resolved);
  SparseOptions settings;
  settings.method = options.text("method", settings.method);
  if (options.has("pattern")) settings.pattern = pattern_from_text(options.text("pattern", ""));
  settings.pattern.fraction = options.number("sparsity", settings.pattern.fraction);
  settings.damping = options.number("damping", settings.damping);
  settings.block = options.integer("block", settings.block);
  settings.seed = static_cast<uint64_t>(options.integer("seed", 0));
  return settings;
}

void check(const SparseOptions& settings) {
  if (!(settings.pattern.fraction > 0 && settings.pattern.fraction < 1)) {
    throw usage_error("weights.sparsity must be above 0 and below 1, got {}",
                      settings.pattern.fraction);
  }
  if (!(settings.damping >= 0)) {
    throw usage_error("weights.damping must not be negative, got {}", settings.damping);
  }
  if (settings.block < 1 ||
      (settings.pattern.grouped() && settings.block % settings.pattern.of != 0)) {
    throw usage_error("weights.block must be a multiple of the pattern's groups, got {}",
                      settings.block);
  }
}

}  // namespace

Json resolved_weights(const Json& section, uint64_t seed) {
  if (!section.is_object()) {
    throw usage_error("weights must be a map of settings, got {}", section.dump())
        .hint("weights: {method: sparsegpt, sparsity: 0.5}");
  }
  const Options options("weights", section);
  const SparseOptions defaults;
  const SparseMethod& row = find_sparse_method(options.text("method", defaults.method));
  Json resolved = {{"method", row.name}};
  if (options.has("pattern")) {
    if (options.has("sparsity")) {
      throw usage_error("weights.pattern says how many weights go, and so does weights.sparsity");
    }
    resolved["pattern"] = pattern_text(pattern_from_text(options.text("pattern", "")));
  } else {
    resolved["sparsity"] = options.number("sparsity", defaults.pattern.fraction);
  }
  if (row.reads == SparseMethod::Reads::kGram) {
    resolved["damping"] = options.number("damping", defaults.damping);
    resolved["block"] = options.integer("block", defaults.block);
  }
  if (row.name == "random") {
    const int64_t own = options.integer("seed", static_cast<int64_t>(seed));
    if (own < 0) throw usage_error("weights.seed must not be negative, got {}", own);
    resolved["seed"] = own;
  }
  options.check_all_used();
  check(sparse_options(resolved));
  return resolved;
}

std::string weights_text(const Json& weights) {
  const std::string method = weights["method"].get<std::string>();
  if (weights.contains("pattern")) {
    return fmt::format("{}, {} in the projections", method, weights["pattern"].get<std::string>());
  }
  return fmt::format("{}, {} of the projections", method,
                     percent(weights["sparsity"].get<double>()));
}

Needs weights_needs(const Json& weights, const ModelConfig& config, const Compute& compute,
                    int64_t tokens, int64_t stored_bytes_per_parameter) {
  const auto element = static_cast<int64_t>(dtype_bytes(compute.dtype));
  const SparseMethod& row = find_sparse_method(weights["method"].get<std::string>());
  const int64_t widest = std::max(widest_inputs(config), config.hidden);
  // The stream and the copy that a pass overwrites; a matrix, its scores and its order.
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
