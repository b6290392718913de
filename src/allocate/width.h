// allocate/width.h -- how many KV groups and neurons a width step removes from every layer.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "model/model.h"

namespace mop {

/// `released`: the rules of the authors' scripts; `exact`: this project's; see docs/method.md.
enum class BudgetKind { kReleased, kExact };
/// The units that a width step may remove.
enum class WidthRule { kMha, kMlpOnly, kGqa };
BudgetKind budget_from_name(std::string_view name);
std::string_view budget_name(BudgetKind kind);
WidthRule rule_from_name(std::string_view name);
std::string_view rule_name(WidthRule rule);
/// Returns gqa if the model has fewer KV heads than heads, else mha.
WidthRule default_rule(const ModelConfig& config);

struct WidthOptions {
  BudgetKind budget = BudgetKind::kExact;
  WidthRule rule = WidthRule::kMha;
  int64_t min_kv_groups = 1;   ///< minimum kept per layer; `released` uses its own minimum
  int64_t shape_multiple = 1;  ///< MLP widths are multiples of this; 1 = off. `exact` only
  int64_t head_multiple = 1;   ///< the same for heads * head_dim
  int64_t damage_levels = 8;   ///< number of sizes at which a half layer's damage is measured
  int64_t generations = 20;    ///< of allocation `evolution`
  int64_t offspring = 16;      ///< per generation
  uint64_t evolution_seed = 0;
  /// The step must reach its budget, which includes what earlier steps owe. `exact` only.
  bool closing = false;
  bool in_full = false;  ///< round the last budget up to packs instead of to the nearest
};

/// What a step could not remove in whole units; the next step of the same branch removes it.
struct Owed {
  double parameters = 0;  ///< of the budget; positive = too few removed so far
  double attention_parameters =
      0;              ///< attention's share of the budgets for which neurons were removed instead
  double groups = 0;  ///< `released` with gqa: KV groups per layer, as the scripts count them
  Owed() = default;
  Owed(double parameters) : parameters(parameters) {}  // NOLINT: a number is parameters
  bool operator==(const Owed&) const = default;
};

/// The units a width step removes per layer, and what it carries to the next width step.
struct WidthCounts {
  std::vector<int64_t> kv_groups;  ///< per layer
  std::vector<int64_t> neurons;    ///< per layer
  Owed owed;
};

/// Parameters of one current layer, norms included: the budget of a step. If layers differ, their
/// mean, rounded.
int64_t layer_worth(const ModelConfig& config);

/// `parameters` is the step's budget, `owed` what the previous width step carried. `released`:
/// reproduces the scripts' arithmetic; requires equal layers. `exact`: the removed parameters
/// differ from the budget plus the owed parameters by at most half a neuron per layer, as long as
/// there are neurons to remove; neuron counts are never negative; a group that costs more than that
/// sum is deferred; equal layers stay equal. With a shape multiple, a pack of `shape_multiple`
/// neurons of each layer takes the place of a neuron. With `closing`, the budget is reached in full
/// (rounded up; whole packs are rounded to the nearest, see `half_pack`, or up with `in_full`), and
/// the owed parameters are not added, since the budget includes them. Throws Error(kBadInput) if
/// nothing can be removed or the rule does not apply to the model.
WidthCounts allocate_width(const ModelConfig& config, int64_t parameters, const Owed& owed,
                           const WidthOptions& options);

/// Returns `counts` with packs of neurons added in single layers, or put back, so that the removed
/// parameters are nearest to `parameters`; not below them with `in_full`. For allocations that make
/// layers differ: `allocate_width` rounds to packs of every layer.
WidthCounts in_packs_of_layers(const ModelConfig& config, int64_t parameters, WidthCounts counts,
                               const WidthOptions& options);

/// Returns the parameters of half a pack in every layer: the maximum error of rounding to whole
/// packs of `shape_multiple` neurons.
int64_t half_pack(const ModelConfig& config, int64_t shape_multiple);

/// Returns the number of which a layer's KV groups must be a multiple for heads * head_dim to be a
/// multiple of `head_multiple`.
int64_t group_stride(const LayerShape& shape, int64_t head_multiple);

/// Returns the indices of the `count` lowest of scores_U, increasing; ties go to the lower index.
/// Throws Error(kBadInput) for a NaN score or a count above their number.
IndexList lowest(const at::Tensor& scores_U, int64_t count);

}  // namespace mop
