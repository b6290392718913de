// pipeline/run_plan.h -- a recipe made ready: everything is opened, checked and counted before the
// first byte is written.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "model/model.h"
#include "pipeline/device_needs.h"
#include "pipeline/needs.h"
#include "pipeline/recipe.h"
#include "pipeline/run_samples.h"
#include "plan/accounting.h"

namespace mop {

/// The inputs of a run.
struct PreparedRun {
  Recipe recipe;  ///< resolved
  Model dense;
  Compute compute;
  std::shared_ptr<const Tokenizer> tokenizer;  ///< null when the run reads no text
  RunSamples samples;
  std::optional<PrunePlan> replay;       ///< the steps to replay instead of searching
  std::optional<Model> replayed;         ///< what they and the plan's values leave
  Json made_by;                          ///< of the replayed plan: what made it
  std::optional<Accounting> accounting;  ///< when the path is known before the run
  Needs needs;
  std::vector<std::string> warnings;  ///< about shapes that readers reject, when they are known
  DeviceNeeds device_needs = {};      ///< counted on the CPU too
  std::string device_line = {};       ///< that weights stream, when they do
};

/// Throws what the parts throw: a bad recipe, a broken checkpoint, an empty text, an unreachable
/// target, a device with too little memory.
PreparedRun prepare(Recipe recipe, Progress& progress);

/// Gives the dense model, and the replayed one, the rows of the samples' pictures, which lie in an
/// unnamed file of `scratch`.
void show_pictures(PreparedRun& run, const std::filesystem::path& scratch, Progress& progress);

/// Steps that the run will take, or about take when only the figures will tell; 0 when nobody can.
int64_t expected_steps(const PreparedRun& run);
bool knows_its_steps(const PreparedRun& run);

/// What the run will do and need, a few lines for people.
std::vector<std::string> announcement(const PreparedRun& run);

/// The same for machines: {recipe, widths, accounting, needs {memory_bytes, disk_bytes, device},
/// warnings}.
Json to_json(const PreparedRun& run);

}  // namespace mop
