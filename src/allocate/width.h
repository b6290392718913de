// allocate/width.h -- how many KV groups and neurons a width step takes from every layer.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "model/model.h"

namespace mop {

/// The rules of the authors' scripts (`released`) or ours (`exact`); see docs/method.md.
enum class BudgetKind { kReleased, kExact };
/// Which units a width step may take.
enum class WidthRule { kMha, kMlpOnly, kGqa };
BudgetKind budget_from_name(std::string_view name);
std::string_view budget_name(BudgetKind kind);
WidthRule rule_from_name(std::string_view name);
std::string_view rule_name(WidthRule rule);
/// gqa when the model has fewer KV heads than heads, else mha.
WidthRule default_rule(const ModelConfig& config);

struct WidthOptions {
  BudgetKind budget = BudgetKind::kExact;
  WidthRule rule = WidthRule::kMha;
  int64_t min_kv_groups = 1;  ///< groups every layer keeps; `released` uses its own minimum
  int64_t shape_multiple = 1; ///< MLP widths are kept at multiples of this; 1 = off
};

/// What a width step removes from each layer, and what it carries to the next width step.
struct WidthCounts {
  std::vector<int64_t> kv_groups;  ///< per layer
  std::vector<int64_t> neurons;    ///< per layer
  double owed = 0;  ///< `exact`: parameters still owed (positive: too little was removed so far);
                    ///< `released` with gqa: the fraction of a group, as in the scripts
};

/// `parameters` is the step's budget (one layer's worth, or less in a last step), `owed` what the last width step
/// carried. `exact`: what is removed stays within half a unit per layer of the budget plus what was owed,
/// neuron counts are never negative, and a group that costs more than the budget waits.
/// Throws Error(kBadInput) when nothing can be removed any more.
WidthCounts allocate_width(const ModelConfig& config, int64_t parameters, double owed, const WidthOptions& options);

/// The `count` lowest of scores_U, rising indices; ties go to the lower index.
IndexList lowest(const at::Tensor& scores_U, int64_t count);

}  // namespace mop
