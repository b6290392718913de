// jobs/prepared_run.h -- prepares a run: opens, checks and counts everything before the first byte
// is written.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "model/model.h"
#include "plan/accounting.h"
#include "recipe/recipe.h"
#include "run/device_needs.h"
#include "run/needs.h"
#include "run/run_samples.h"

namespace mop {

/// The inputs of a run.
struct PreparedRun {
  Recipe recipe;  ///< resolved
  Model dense;
  Compute compute;
  std::shared_ptr<const Tokenizer> tokenizer;  ///< null if the run reads no text
  RunSamples samples;
  std::optional<PrunePlan> replay;       ///< the steps to replay instead of searching
  std::optional<Model> replayed;         ///< the result of the replay, with the plan's values
  Json made_by;                          ///< origin of the replayed plan
  std::optional<Accounting> accounting;  ///< set if the path is known before the run
  Needs needs;
  std::vector<std::string> warnings;  ///< shapes that readers reject, if known
  DeviceNeeds device_needs = {};      ///< computed on the CPU too
  std::string device_line = {};       ///< notice if weights are streamed
};

/// Throws as the parts do: an invalid recipe, a broken checkpoint, an empty text, an unreachable
/// target, a device with too little memory.
PreparedRun prepare(Recipe recipe, Progress& progress);

/// Adds the rows of the samples' images to the dense and the replayed model; they are stored in an
/// unnamed file in `scratch`.
void show_pictures(PreparedRun& run, const std::filesystem::path& scratch, Progress& progress);

/// Number of steps of the run, estimated if it depends on measurements; 0 = unknown.
int64_t expected_steps(const PreparedRun& run);
bool knows_its_steps(const PreparedRun& run);

/// Describes the run and its needs in a few lines.
std::vector<std::string> announcement(const PreparedRun& run);

/// The same as JSON: {recipe, widths, accounting, needs {memory_bytes, disk_bytes, device},
/// warnings}.
Json to_json(const PreparedRun& run);

}  // namespace mop
