// recipe/weights_section.cc
#include "recipe/weights_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/options.h"
#include "recipe/recipe_options.h"
#include "recipe/recipe_sections.h"
#include "report/table.h"

namespace mop {
namespace {

void check_block(const Json& resolved) {
  const SparseOptions options = sparse_options(resolved);
  const auto block = options.settings.given(kWeightsBlock);
  if (!block || !options.pattern.grouped() || *block % options.pattern.of == 0) return;
  throw usage_error("weights.block must be a multiple of the pattern's group size, got {}", *block);
}

// Heads go in groups, whose width may be a multiple already.
int64_t multiple_of_heads(const ModelConfig& dense, int64_t head_multiple) {
  int64_t multiple = 0;
  for (const LayerShape& shape : dense.layers) {
    if (shape.heads == 0) continue;
    multiple = std::gcd(
        multiple, std::lcm(shape.group() * shape.head_dim, std::max(head_multiple, int64_t{1})));
  }
  return multiple;
}

std::string_view size_in(UnitKind unit) {
  if (unit == UnitKind::kNeuron) return "MLP widths";
  return unit == UnitKind::kKvGroup ? "heads * head_dim" : "hidden channels";
}

}  // namespace

Json resolved_weights(const Json& section, uint64_t seed) {
  if (!section.is_object()) {
    throw usage_error("weights must be a map of settings, got {}", section.dump())
        .hint("weights: {method: sparsegpt, sparsity: 0.5}");
  }
  const SparseMethod& row =
      find_sparse_method(Options("weights", section).get(recipe_options::kWeights));
  std::vector<OptionSpec> declared = options_of(prune_sections(), "weights");
  declared.insert(declared.end(), row.options.begin(), row.options.end());
  const Options options("weights", section, declared);
  Json resolved = {{"method", row.name}};
  if (const auto pattern = options.given(recipe_options::kPattern)) {
    if (options.given(recipe_options::kSparsity)) {
      throw usage_error("weights.pattern and weights.sparsity exclude each other");
    }
    resolved["pattern"] = pattern_text(pattern_from_text(*pattern));
  } else {
    resolved["sparsity"] = options.get(recipe_options::kSparsity);
  }
  for (const OptionSpec& spec : row.options) {
    if (spec.name == kWeightsSeed.name) resolved["seed"] = seed;
  }
  resolved.update(filled_in(options, row.options));
  check_block(resolved);
  return resolved;
}

SparseOptions sparse_options(const Json& resolved) {
  const Options options("weights", resolved);
  SparseOptions settings;
  settings.method = options.get(recipe_options::kWeights);
  if (const auto pattern = options.given(recipe_options::kPattern)) {
    settings.pattern = pattern_from_text(*pattern);
  }
  settings.pattern.fraction = options.get(recipe_options::kSparsity);
  settings.settings = options;
  return settings;
}

void check_pattern(const Json& weights, const ModelConfig& config) {
  const SparsityPattern pattern = sparse_options(weights).pattern;
  if (!pattern.grouped()) return;
  std::set<int64_t> inputs = {config.hidden};
  for (const LayerShape& shape : config.layers) {
    inputs.insert({shape.heads * shape.head_dim, shape.mlp});
  }
  for (const int64_t count : inputs) {
    if (count % pattern.of == 0) continue;
    throw usage_error(
        "weights.pattern {} needs inputs in multiples of {}, but a projection will have {}",
        pattern_text(pattern), pattern.of, count)
        .hint(fmt::format("use --shape-multiple {}", pattern.of));
  }
}

void check_pattern_of_any_sizes(const Recipe& recipe, const ModelConfig& dense) {
  const SparsityPattern pattern = sparse_options(recipe.weights).pattern;
  if (!pattern.grouped()) return;
  check_pattern(recipe.weights, dense);  // of layers that lose nothing
  for (const BranchUse& use : mix_recipe(recipe).branches) {
    if (use.branch->of_tower) continue;
    for (const SizeMultiple& size : reach_of(*use.branch, dense, use.options).multiples) {
      const int64_t multiple =
          size.unit == UnitKind::kKvGroup ? multiple_of_heads(dense, size.multiple) : size.multiple;
      if (multiple % pattern.of == 0) continue;
      throw usage_error(
          "weights.pattern {} needs inputs in multiples of {}, but branch '{}' leaves {} in "
          "multiples of {}",
          pattern_text(pattern), pattern.of, use.branch->name, size_in(size.unit), multiple)
          .hint(fmt::format("--set {}.{}={}", use.branch->name, size.setting, pattern.of));
    }
  }
}

std::string weights_text(const Json& weights) {
  const std::string method = weights["method"].get<std::string>();
  if (weights.contains("pattern")) {
    return fmt::format("{}, {} in the projections", method, weights["pattern"].get<std::string>());
  }
  return fmt::format("{}, {} of the projections", method,
                     percent(weights["sparsity"].get<double>()));
}

}  // namespace mop
