// report/measurements.h -- what `mop eval` and `mop bench` say, as figures. Their JSON is read as
// docs/formats.md describes it.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "base/json.h"
#include "report/page.h"

namespace mop {

/// What a verb measured, from its JSON.
struct Measurement {
  enum class Kind { kText, kTasks, kBench };
  std::string name;  ///< of the model: the last part of its path
  Kind kind = Kind::kText;
  Json json;
};

/// Throws Error(kBadInput) naming `where` when it is the JSON of none of these verbs, or when
/// `mop eval --text` measured one model alone, whose size it does not say.
Measurement measurement_of(Json json, const std::string& where);

/// Its tables and pictures.
std::vector<ReportFigure> measurement_figures(const Measurement& measurement);

/// The page that `mop eval --report` and `mop bench --report` write. `command` repeats it.
Page measurement_page(const Measurement& measurement, const std::string& command,
                      const std::string& program);

/// A figure of one model, for comparisons by size.
struct SizedFigure {
  std::string model;
  std::string what;  ///< "perplexity, lines, text 1a2b3c4d", "piqa acc": figures that compare
  bool lower_is_better = false;
  int64_t parameters = 0;
  double value = NAN, error = 0;  ///< standard error; 0 = unknown
};
std::vector<SizedFigure> sized_figures(const Measurement& measurement);

}  // namespace mop
