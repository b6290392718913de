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
  bool attention = false;  ///< the attention half goes, norm and biases too: no heads are listed
  bool mlp = false;        ///< the same of the MLP half; not both, which is the whole layer
  bool operator==(const LayerRemoval&) const = default;
};

/// One step of the path.
struct PlanStep {
  std::string branch;                  ///< "depth", "width", ...
  std::vector<LayerRemoval> removals;  ///< rising by layer
  Owed owed;                           ///< carried to the next step of this branch
  int64_t parameters = 0;  ///< of the whole model after this step: surgery must hit it exactly
  /// What goes from layers of the vision tower: heads and neurons alone. A cut tower has no idle
  /// layers (Composite::idle_layers).
  std::vector<LayerRemoval> tower = {};
  IndexList channels = {};  ///< of the residual stream that go, by the checkpoint's hidden size
  bool operator==(const PlanStep&) const = default;
};

/// New values of tensors, which a plan names and a checkpoint holds: what repair and training left.
/// They have the shapes that all steps leave, so a tensor is named once, however often it changed.
struct PlanValues {
  std::string checkpoint;  ///< the folder that holds them, relative to the plan's; empty = none
  std::map<std::string, std::string> sha256;  ///< of the bytes, by the tensor's name in the source
  int64_t parameters = 0;  ///< of the whole model with them: new biases count, too
  bool empty() const { return sha256.empty(); }
  bool operator==(const PlanValues&) const = default;
};

/// The whole path from the dense model.
struct PrunePlan {
  std::string source_fingerprint;  ///< of the checkpoint it was made for; empty = any
  int64_t dense_parameters = 0;
  std::vector<PlanStep> steps;
  PlanValues values = {};  ///< take their places after the last step
  bool operator==(const PrunePlan&) const = default;
};

/// Whether a step removes units of the vision tower.
bool cuts_tower(const PrunePlan& plan);

/// The source layer of each of the `count` layers that the plan leaves.
IndexList layers_left(const PrunePlan& plan, int64_t count);

/// Index lists are written as runs, "0-3,7,9-12": short, and easy to read beside a model. A plan
/// that cuts a vision tower or removes hidden channels is of version 4, another one that removes
/// half layers of version 3, another one with values of version 2, others of version 1; all are
/// read.
Json to_json(const PlanStep& step);
Json to_json(const PrunePlan& plan);
/// Throw Error(kBadInput) naming `where` and the key.
PlanStep step_from_json(const Json& json, const std::string& where);
PrunePlan plan_from_json(const Json& json, const std::string& where);

}  // namespace mop
