// pipeline/read_run.h -- a run folder, as its report tells it.
#pragma once
#include <filesystem>
#include <span>
#include <vector>

#include "base/json.h"
#include "model/config.h"
#include "plan/plan.h"
#include "report/run_report.h"

namespace mop {

/// What `folder`, a result or what a run works in, holds of its run. Folders of other builds may
/// lack things, which are then not told; a run that has not finished is told as far as it came.
/// Throws Error(kBadInput) for a folder that no run has left, or a file in it that is broken.
RunReport read_run(const std::filesystem::path& folder);

/// The page of the run in `folder`, written to folder/run/report.html. Its bytes depend on the
/// run's files alone.
void write_run_report(const std::filesystem::path& folder);

/// Sizes that maps need.
struct ModelUnits {
  std::vector<LayerShape> layers, tower;  ///< of a vision tower; empty = unknown, or there is none
  int64_t hidden = 0;                     ///< channels; 0 = unknown
};

/// Which units of the dense model are left, kind by kind; of a vision tower and of hidden channels
/// where `steps` took any.
std::vector<UnitMap> unit_maps(const ModelUnits& dense, std::span<const PlanStep> steps);

/// Sizes of the dense model, from those that `steps` left: what is left and what went. Of halves
/// and layers that went whole the size is that of most others.
ModelUnits dense_units(const ModelUnits& left, std::span<const PlanStep> steps);

}  // namespace mop
