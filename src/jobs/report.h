// jobs/report.h -- mop report: pages of one run or of several compared, and the pages of `mop
// eval` and `mop bench`.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"

namespace mop {

struct ReportJob {
  /// Folders of runs, and files with the JSON of `mop eval --vs`, `mop eval --tasks` or `mop
  /// bench`.
  std::vector<std::filesystem::path> sources;
  std::filesystem::path out;  ///< file of the page, or with .svg of its first figures
                              ///< only; empty = none
};

struct ReportResult {
  Json json;             ///< {runs: [..], measurements: [file names], out}
  std::string text;      ///< a text table
  std::string csv;       ///< one row per run
  std::string markdown;  ///< the same as a table
};

/// Makes the page of one run, or a comparison of several sources. Throws Error(kUsage) without
/// sources, Error(kBadInput) for a source that is neither a run nor such a file.
ReportResult report(const ReportJob& job);

/// Writes the page of results of `mop eval` or `mop bench`. `command` reproduces them.
void write_measurement_report(const std::filesystem::path& out, const Json& json,
                              const std::string& command);

}  // namespace mop
