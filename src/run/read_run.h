// run/read_run.h -- reads a run folder for its report.
#pragma once
#include <filesystem>
#include <span>
#include <vector>

#include "base/json.h"
#include "model/config.h"
#include "plan/plan.h"
#include "report/run_report.h"

namespace mop {

/// Reads the run in `folder`, a result or a working folder. Data missing in folders of other builds
/// are omitted; an unfinished run is read as far as it got. Throws Error(kBadInput) for a folder
/// without a run, or for a broken file in it.
RunReport read_run(const std::filesystem::path& folder);

/// Writes the page of the run in `folder` to folder/run/report.html. Its bytes depend only on the
/// run's files.
void write_run_report(const std::filesystem::path& folder);

/// Sizes of a model.
struct ModelUnits {
  std::vector<LayerShape> layers, tower;  ///< of a vision tower; empty = unknown, or there is none
  int64_t hidden = 0;                     ///< channels; 0 = unknown
};

/// Returns the remaining units of the dense model by kind; those of a vision tower and hidden
/// channels only if `steps` removed any.
std::vector<UnitMap> unit_maps(const ModelUnits& dense, std::span<const PlanStep> steps);

/// Returns the sizes of the dense model: the remaining units plus the removed ones. The size of
/// completely removed halves and layers is that of most others.
ModelUnits dense_units(const ModelUnits& left, std::span<const PlanStep> steps);

}  // namespace mop
