// cli/verbs/report.cc -- mop report RUN [RUN...]: pictures and tables of runs
#include "jobs/report.h"

#include "cli/verb.h"

namespace mop {
namespace {

struct ReportFlags {
  ReportJob job;
  bool as_csv = false, as_markdown = false;
};

Answer run(const ReportFlags& flags) {
  const ReportResult result = report(flags.job);
  if (flags.as_csv) return {result.json, result.csv};
  if (flags.as_markdown) return {result.json, result.markdown};
  std::string text = result.text;
  if (!flags.job.out.empty()) text += "wrote " + flags.job.out.string() + "\n";
  return {result.json, text};
}

}  // namespace

Verb report_verb() {
  return {"report", "pictures and tables of runs, in one HTML file", [](CLI::App& app) {
            auto flags = std::make_shared<ReportFlags>();
            app.add_option("RUN", flags->job.sources,
                           "folders that prune, recover or train wrote, and JSON files of "
                           "eval and bench; several are compared")
                ->required();
            app.add_option("--out", flags->job.out,
                           "write the page to this file; FILE.svg: its first pictures alone")
                ->type_name("FILE");
            auto* as_csv = app.add_flag("--csv", flags->as_csv, "print a row a run as CSV");
            app.add_flag("--markdown", flags->as_markdown, "print a table in Markdown")
                ->excludes(as_csv);
            return [flags](Progress&) { return run(*flags); };
          }};
}

}  // namespace mop
