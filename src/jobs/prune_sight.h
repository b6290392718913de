// jobs/prune_sight.h -- checks that a run which prunes a vision tower has samples with images,
// and encodes their images with pruned towers.
#pragma once
#include <filesystem>
#include <string>

#include "base/progress.h"
#include "jobs/prepared_run.h"

namespace mop {

/// Throws Error(kUsage) if criteria measure the tower but no calibration sample has an image, or if
/// candidates are evaluated on held-out samples none of which has one: damage of a tower is visible
/// only with images. Returns a warning if a tower is pruned without measurements and no sample has
/// an image; empty otherwise.
std::string check_sight(const PreparedRun& run);

/// Returns `model` with the rows of the samples' images, which a model with a pruned tower has
/// lost; they are stored in an unnamed file in `scratch`.
Model seeing(const Model& model, const PreparedRun& run, const std::filesystem::path& scratch,
             Progress& progress);

}  // namespace mop
