// report/measurements.h -- results of `mop eval` and `mop bench` as figures. Their JSON is
// described in docs/formats.md.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "base/json.h"
#include "report/page.h"

namespace mop {

/// Results of a verb, from its JSON.
struct Measurement {
  enum class Kind { kText, kTasks, kBench };
  std::string name;  ///< of the model: the last part of its path
  Kind kind = Kind::kText;
  Json json;
};

/// Throws Error(kBadInput) naming `where` if the JSON is from none of these verbs, or from `mop
/// eval --text` on a single model, which does not include its size.
Measurement measurement_of(Json json, const std::string& where);

/// Returns the tables and figures.
std::vector<ReportFigure> measurement_figures(const Measurement& measurement);

/// Returns the page of `mop eval --report` and `mop bench --report`. `command` reproduces it.
Page measurement_page(const Measurement& measurement, const std::string& command,
                      const std::string& program);

/// A result of one model, for comparisons by size.
struct SizedFigure {
  std::string model;
  std::string
      what;  ///< "perplexity, lines, text 1a2b3c4d", "piqa acc": equal for comparable results
  bool lower_is_better = false;
  int64_t parameters = 0;
  double value = NAN, error = 0;  ///< standard error; 0 = unknown
};
std::vector<SizedFigure> sized_figures(const Measurement& measurement);

}  // namespace mop
