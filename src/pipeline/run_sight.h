// pipeline/run_sight.h -- what a run that cuts a vision tower must be shown, and what its models
// see.
#pragma once
#include <filesystem>
#include <string>

#include "base/progress.h"
#include "pipeline/run_plan.h"

namespace mop {

/// Throws Error(kUsage) where criteria measure the tower and no calibration sample has a picture,
/// or where candidates are judged on held-out samples of which none has one: what a tower loses
/// shows on pictures alone. Gives the line to warn with where nothing is measured or judged and yet
/// a tower is cut that no sample shows; empty else.
std::string check_sight(const PreparedRun& run);

/// `model` with the rows of the samples' pictures: one whose tower was cut has lost them. They lie
/// in an unnamed file of `scratch`.
Model seeing(const Model& model, const PreparedRun& run, const std::filesystem::path& scratch,
             Progress& progress);

}  // namespace mop
