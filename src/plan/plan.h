// plan/plan.h -- a plan is data: the units that each step removes, as indices in the source model.
// It can be written, read, compared and replayed on the dense model.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "allocate/width.h"
#include "base/json.h"
#include "model/model.h"

namespace mop {

/// Units removed from one layer, as indices in the source checkpoint's layer.
struct LayerRemoval {
  int32_t layer = 0;   ///< layer number in the source checkpoint
  bool whole = false;  ///< the complete layer is removed; the lists are then empty
  IndexList heads, kv_heads, neurons;
  bool attention =
      false;         ///< the attention half is removed, with norm and biases; no heads are listed
  bool mlp = false;  ///< the same for the MLP half; both together are `whole`
  bool operator==(const LayerRemoval&) const = default;
};

/// One step of the path.
struct PlanStep {
  std::string branch;                  ///< "depth", "width", ...
  std::vector<LayerRemoval> removals;  ///< increasing by layer
  Owed owed;                           ///< carried to the next step of this branch
  int64_t parameters = 0;  ///< of the complete model after this step; surgery must match it exactly
  /// Units removed from layers of the vision tower: heads and neurons only. A pruned tower has no
  /// unused layers (Composite::unused_layers).
  std::vector<LayerRemoval> tower = {};
  IndexList channels =
      {};  ///< removed channels of the residual stream, as indices in the checkpoint's hidden size
  bool operator==(const PlanStep&) const = default;
};

/// New values of tensors, from repair and training. The plan holds names and digests; the tensors
/// are in a checkpoint. They have the shapes after all steps, so that each tensor is stored once,
/// however often it changed.
struct PlanValues {
  std::string
      checkpoint;  ///< the folder that holds them, relative to the plan's folder; empty = none
  std::map<std::string, std::string>
      sha256;              ///< digest of the bytes, by the tensor's name in the source
  int64_t parameters = 0;  ///< of the complete model with them, including new biases
  bool empty() const { return sha256.empty(); }
  bool operator==(const PlanValues&) const = default;
};

/// All steps from the dense model.
struct PrunePlan {
  std::string source_fingerprint;  ///< of the checkpoint it was made for; empty = any
  int64_t dense_parameters = 0;
  std::vector<PlanStep> steps;
  PlanValues values = {};  ///< applied after the last step
  bool operator==(const PrunePlan&) const = default;
};

/// Whether a step removes units of the vision tower.
bool cuts_tower(const PrunePlan& plan);

/// Returns the source layers that remain after the plan, which leaves `count` layers.
IndexList layers_left(const PrunePlan& plan, int64_t count);

/// Index lists are written as ranges, "0-3,7,9-12". The version is 4 for plans that prune a vision
/// tower or remove hidden channels, else 3 for plans that remove half layers, else 2 for plans with
/// values, else 1; all are read.
Json to_json(const PlanStep& step);
Json to_json(const PrunePlan& plan);
/// Throw Error(kBadInput) naming `where` and the key.
PlanStep step_from_json(const Json& json, const std::string& where);
PrunePlan plan_from_json(const Json& json, const std::string& where);

}  // namespace mop
