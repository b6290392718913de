// pipeline/report.h -- `mop report`: the page of a run, or of several beside each other; and the
// pages that `mop eval` and `mop bench` leave.
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
  std::filesystem::path out;  ///< of the page, or where it ends in .svg of its first pictures
                              ///< alone; empty = none is written
};

struct ReportResult {
  Json json;             ///< {runs: [..], measurements: [file names], out}
  std::string text;      ///< a table for people
  std::string csv;       ///< a row a run
  std::string markdown;  ///< the same as a table
};

/// One run gives its own page, several sources give one that compares them. Throws Error(kUsage)
/// without sources, Error(kBadInput) for a source that is neither a run nor such a file.
ReportResult report(const ReportJob& job);

/// Writes the page of what `mop eval` or `mop bench` measured. `command` is what repeats it.
void write_measurement_report(const std::filesystem::path& out, const Json& json,
                              const std::string& command);

}  // namespace mop
