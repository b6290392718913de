// report/comparison.h -- compares several runs.
#pragma once
#include <span>
#include <string>

#include "base/json.h"
#include "report/measurements.h"
#include "report/run_report.h"

namespace mop {

/// Returns [{run, verb, model, method, seed, parameters, block_parameters, dense_parameters,
/// removed_fraction, block_removed_fraction, dense_perplexity, perplexity, kl, judged_on,
/// finished}]; unknown values are null.
Json comparison_rows(std::span<const RunReport> runs);

/// The same as a table: one row per run, after the dense models.
Table comparison_table(std::span<const RunReport> runs);

/// Returns comma-separated values: the keys of the first row, then one line per row with full
/// precision.
std::string csv(const Json& rows);

/// Returns the page: quality against size, with the dense models as points, and each run's figures.
/// Results measured with other protocols, on other texts or from other models are in separate
/// charts.
Page comparison_page(std::span<const RunReport> runs, std::span<const Measurement> measurements,
                     const std::string& program);

}  // namespace mop
