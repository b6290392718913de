// plan/plan.h -- a plan is data: what each step removes, in the source model's indices. It can be
// written, read back, replayed on the dense model and compared.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "allocate/width.h"
#include "base/json.h"
#include "model/model.h"

namespace mop {

/// Units that go from one layer. Indices are those of the source checkpoint's layer.
struct LayerRemoval {
  int32_t layer = 0;   ///< layer number in the source checkpoint
  bool whole = false;  ///< the layer itself goes; the lists are then empty
  IndexList heads, kv_heads, neurons;
  bool operator==(const LayerRemoval&) const = default;
};

/// One step of the path.
struct PlanStep {
  std::string branch;                  ///< "depth", "width", ...
  std::vector<LayerRemoval> removals;  ///< rising by layer
  Owed owed;                           ///< carried to the next step of this branch
  int64_t parameters = 0;  ///< of the whole model after this step: surgery must hit it exactly
  bool operator==(const PlanStep&) const = default;
};

/// The whole path from the dense model.
struct PrunePlan {
  std::string source_fingerprint;  ///< of the checkpoint it was made for; empty = any
  int64_t dense_parameters = 0;
  std::vector<PlanStep> steps;
  bool operator==(const PrunePlan&) const = default;
};

/// Index lists are written as runs, "0-3,7,9-12": short, and easy to read beside a model.
Json to_json(const PlanStep& step);
Json to_json(const PrunePlan& plan);
/// Throw Error(kBadInput) naming `where` and the key.
PlanStep step_from_json(const Json& json, const std::string& where);
PrunePlan plan_from_json(const Json& json, const std::string& where);

}  // namespace mop
