// pipeline/read_training.h -- curves that a run's trainings left.
#pragma once
#include <filesystem>
#include <vector>

#include "base/json.h"
#include "report/run_report.h"

namespace mop {

/// Of the run folder RUN: RUN/metrics.jsonl, then RUN/rounds/NN/metrics.jsonl; a last line that is
/// not whole, as a run at work leaves it, is not read. `metrics`: RUN/metrics.json, null when there
/// is none. Throws Error(kBadInput) naming a line that is broken.
std::vector<ReportedTraining> read_trainings(const std::filesystem::path& run, const Json& metrics);

}  // namespace mop
