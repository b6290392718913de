// jobs/report.cc
#include "jobs/report.h"

#include "base/build_info.h"
#include "base/error.h"
#include "base/files.h"
#include "report/comparison.h"
#include "run/read_run.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

std::string program() { return "mop " + mop_version(); }

// The drawings of the first section that has any.
std::vector<std::string> first_drawings(const Page& page) {
  std::vector<std::string> drawings;
  for (const Section& section : page.sections) {
    for (const ReportFigure& figure : section.figures) {
      if (!figure.svg.empty()) drawings.push_back(figure.svg);
    }
    if (!drawings.empty()) break;
  }
  return drawings;
}

}  // namespace

ReportResult report(const ReportJob& job) {
  if (job.sources.empty()) {
    throw usage_error("no run is given").hint("give a run's folder: mop report RUN");
  }
  std::vector<RunReport> runs;
  std::vector<Measurement> measurements;
  Json files = Json::array();
  for (const fs::path& source : job.sources) {
    if (fs::is_regular_file(source)) {
      measurements.push_back(measurement_of(read_json(source), source.string()));
      files.push_back(source.filename().string());
    } else {
      runs.push_back(read_run(source));
    }
  }
  const bool alone = runs.size() == 1 && measurements.empty();
  ReportResult result;
  result.json = {{"runs", comparison_rows(runs)}, {"measurements", files}};
  if (!job.out.empty()) {
    const Page page = alone ? run_page(runs[0]) : comparison_page(runs, measurements, program());
    write_file(job.out,
               job.out.extension() == ".svg" ? svg_file(first_drawings(page)) : html_page(page));
    result.json["out"] = job.out.string();
  }
  const Table table = comparison_table(runs);
  result.text = table.empty() ? "" : table.text();
  result.markdown = table.empty() ? "" : table.markdown();
  result.csv = csv(result.json["runs"]);
  return result;
}

void write_measurement_report(const fs::path& out, const Json& json, const std::string& command) {
  write_file(out,
             html_page(measurement_page(measurement_of(json, out.string()), command, program())));
}

}  // namespace mop
