// report/comparison.h -- several runs beside each other.
#pragma once
#include <span>
#include <string>

#include "base/json.h"
#include "report/measurements.h"
#include "report/run_report.h"

namespace mop {

/// [{run, verb, model, method, seed, parameters, block_parameters, dense_parameters,
/// removed_fraction, block_removed_fraction, dense_perplexity, perplexity, kl, judged_on,
/// finished}]; null what is unknown.
Json comparison_rows(std::span<const RunReport> runs);

/// The same for people: a row a run, after those that they were compared with.
Table comparison_table(std::span<const RunReport> runs);

/// Comma-separated values: the keys of the first row, then a line each, numbers in full.
std::string csv(const Json& rows);

/// The page: quality against size, with the dense models as points, and each run's pictures.
/// Figures that were measured otherwise, on other texts or from other models, are in charts of
/// their own.
Page comparison_page(std::span<const RunReport> runs, std::span<const Measurement> measurements,
                     const std::string& program);

}  // namespace mop
