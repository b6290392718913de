// run/read_training.h -- reads training curves of a run.
#pragma once
#include <filesystem>
#include <vector>

#include "base/json.h"
#include "report/run_report.h"

namespace mop {

/// Reads RUN/metrics.jsonl, then RUN/rounds/NN/metrics.jsonl; an incomplete last line, as of an
/// active run, is ignored. `metrics`: RUN/metrics.json, or null. Throws Error(kBadInput) naming an
/// invalid line.
std::vector<ReportedTraining> read_trainings(const std::filesystem::path& run, const Json& metrics);

}  // namespace mop
